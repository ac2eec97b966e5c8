"""The oracle as a backend: what `training.run` and `reconstruction.run` need, without a framework."""
