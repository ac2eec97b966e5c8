"""Comparing tensors: distances, limits, the rungs as a table, and what a backend's answer is read as."""
