"""What every test module shares: failed asserts in the shared suites say what was compared, as those in tests do."""

from pathlib import Path

import pytest

SHARED = Path(__file__).with_name("shared")

pytest.register_assert_rewrite(*sorted(path.stem for path in SHARED.glob("*.py")))
