"""The oracle as a backend: what `train.run` and `inference.run` need, without a framework."""
