"""What every test module shares: failed asserts in the shared suites say what was compared, as those in tests do."""

import os
from pathlib import Path

import pytest

# Before anything imports NumPy: see tests/shared/blas_threads.py.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

SHARED = Path(__file__).with_name("shared")

pytest.register_assert_rewrite(*sorted(path.stem for path in SHARED.glob("*.py")))
