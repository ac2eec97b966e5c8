"""
The record of a run: its folder, its event log, and the verdict of that log.

The log is the only source. State, verdict and outcome are computed from it, and nothing here starts a process.
"""
