"""
The framework-free core of dual-backend ptychography: contract, data path, physics oracle, stitching, metrics.

Nothing here imports TensorFlow or PyTorch, and importing the package itself imports nothing at all.
"""
