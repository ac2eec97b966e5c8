"""Simulated scans: the project's own probe, object and positions, and the photon counts that they give."""
