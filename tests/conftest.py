"""What every test module shares: failed asserts in the shared suites say what was compared, as those in tests do."""

import os
from pathlib import Path

import pytest

# One thread for NumPy's own matrix products, before anything imports it: OpenBLAS' threads spin while they wait for
# each other, which beside a framework with threads of its own took half of a suite's processor time.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

SUPPORT = Path(__file__).with_name("support")

pytest.register_assert_rewrite("tests.support")
