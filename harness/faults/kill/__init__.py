"""
Kills: what is left of a run that ended with SIGKILL, and what the next run makes of it.

`python -m harness kill-test` starts real runs, kills the harness, nox or the training at a random moment, and looks.
"""
