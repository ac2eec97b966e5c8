"""
The PyTorch backend: the only package that imports it, and only in the modules that compute.

Importing this package imports no framework, so that the command lines refuse bad input in a blink.
"""

import os

# Read by OpenMP when torch is first imported. Threads that spin at each of the thousand barriers of a step take the
# processor from the thread they wait for as soon as anything else runs: with one busy neighbour on two cores, a step
# takes 1.7 times as long as with threads that sleep. On an idle machine there is no difference.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
