"""
The PyTorch backend: the only package that imports it, and only in the modules that compute.

Importing this package imports no framework, so that the command lines refuse bad input in a blink.
"""

import os

# Threads of OpenMP spin only briefly while they wait for each other: where other work shares the cores, they would spin
# away the time that the thread they wait for needs (docs/speed.md has the figures). Settled before PyTorch is
# loaded; a user's own choice stays.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
