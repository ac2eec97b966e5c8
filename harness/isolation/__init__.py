"""Keeping a command to itself: its sandbox, what it left outside of it, and whether it touched a GPU."""
