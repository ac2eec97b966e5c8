"""Figures of merit of a reconstruction or a file, and what looks wrong in a file that keeps the contract."""
