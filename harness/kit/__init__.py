"""
Single files that run in somebody else's environment and need nothing of this project.

They are copied, or run by path; so each imports no neighbour, and runs on Python 3.10, which is older
than what the harness itself asks for.
"""
