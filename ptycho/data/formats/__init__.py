"""Scans in the formats of other programs, as the arrays and metadata that the data contract reads."""
