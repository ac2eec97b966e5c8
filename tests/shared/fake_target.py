"""The old place of `tests/support/fakes/fake_target.py`, for one release."""

from tests.support.fakes.fake_target import scan as scan
from tests.support.fakes.fake_target import truth as truth
from tests.support.fakes.fake_target import write as write
