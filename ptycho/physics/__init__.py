"""The physics and the network in NumPy float64: formulas, weights, patches, stitching."""
