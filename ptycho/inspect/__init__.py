"""Describes a file, for people and programs: `python -m ptycho inspect`."""
