"""What a file is, for people and programs: `python -m ptycho inspect`."""
