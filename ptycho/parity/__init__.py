"""Answers of a backend to the parity ladder: the questions, and the core's own part of the answers."""
