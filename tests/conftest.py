"""What every test module shares: failed asserts in the shared suites say what was compared, as those in tests do."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# One thread for NumPy's own matrix products, before anything imports it: OpenBLAS' threads spin while they wait for
# each other, which beside a framework with threads of its own took half of a suite's processor time.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# No test depends on how fast a machine is: neither an example nor the drawing of one has a limit of time.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

SUPPORT = Path(__file__).with_name("support")

pytest.register_assert_rewrite("tests.support")
