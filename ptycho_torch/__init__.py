"""
The PyTorch backend: the only package that imports it, and only in the modules that compute.

Importing this package imports no framework, so that the command lines refuse bad input in a blink.
"""

import os

# Threads of OpenMP sleep while they wait instead of spinning: where other work shares the cores, they would spin away
# the very time that the thread they wait for needs. Settled before PyTorch is loaded; a user's own choice stays.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
