"""The closed set of verdicts: labels, and which of several decides."""

from itertools import pairwise

import pytest

from ptycho.verdict import Verdict

WORST_FIRST = ("interrupted", "usage", "infra", "oom", "timeout", "fail", "budget", "inconclusive", "pass")


@pytest.mark.parametrize(("label", "verdict"), [("pass", Verdict.PASS), ("Oom", Verdict.OOM), ("", None), (1, None)])
def test_a_label_is_parsed(label: object, verdict: Verdict | None) -> None:
    assert verdict is Verdict.parse(label)


def test_every_label_comes_back() -> None:
    assert list(Verdict) == [Verdict.parse(verdict.label) for verdict in Verdict]


def test_every_verdict_is_worse_than_the_next() -> None:
    assert {verdict.label for verdict in Verdict} == set(WORST_FIRST)
    for worse, better in pairwise(WORST_FIRST):
        both = [Verdict.parse(better), Verdict.parse(worse)]
        assert Verdict.worst(verdict for verdict in both if verdict is not None).label == worse


def test_none_at_all_is_never_a_pass_unasked() -> None:
    assert Verdict.worst([], default=Verdict.FAIL) is Verdict.FAIL
    with pytest.raises(ValueError, match="no verdict"):
        Verdict.worst([])
