"""
Imported before NumPy, for its effect: one thread for NumPy's own matrix products.

OpenBLAS' threads spin while they wait for each other. On the small matrices of the NumPy network, beside a framework
with threads of its own, that took half of a suite's processor time.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
