"""
The score where readers see it: a page of its own, and one line of the README between two markers.

Both are written by the command and never typed; a README without the markers is refused, not guessed at.
"""

from pathlib import Path

from harness.faults.mutation import report
from harness.faults.mutation.campaign import MutationScore
from harness.system import tables
from ptycho.errors import UsageError
from ptycho.files import write_text
from ptycho.fingerprint import ROOT

README, PAGE = Path("README.md"), Path("docs/mutation-score.md")
BEGIN, END = "<!-- mutation-score -->", "<!-- /mutation-score -->"
EDITS_BEGIN, EDITS_END = "<!-- edits -->", "<!-- /edits -->"
"""Around the table of the one-line edits, on the page: another command writes it."""


def write(score: MutationScore, root: Path = ROOT) -> tuple[Path, Path]:
    """
    Write page and line.

    Args:
        score: score of the whole catalogue.
        root: the checkout.

    Returns:
        The files that were written.

    Raises:
        UsageError: the README has no place for the line; nothing was written.
    """
    text = (root / README).read_text(encoding="utf-8")
    changed = between_markers(text, report.sentence(score))
    (root / PAGE).parent.mkdir(parents=True, exist_ok=True)
    write_text(root / PAGE, page(score) + _edits(root / PAGE))
    write_text(root / README, changed)
    return root / README, root / PAGE


def _edits(path: Path) -> str:
    """The table of the one-line edits as it is on the page; empty where there is none."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    _, begin, rest = text.partition(EDITS_BEGIN)
    inside, end, _ = rest.partition(EDITS_END)
    return f"\n{begin}{inside}{end}\n" if begin and end else ""


def write_edits(block: str, root: Path = ROOT) -> Path:
    """
    Put the table of the one-line edits into the page, in place of the one that is there or at its end.

    Args:
        block: heading, text and table.
        root: the checkout.
    """
    path = root / PAGE
    text = path.read_text(encoding="utf-8") if path.is_file() else "# Mutation score\n"
    before, begin, rest = text.partition(EDITS_BEGIN)
    after = rest.partition(EDITS_END)[2] if begin else "\n"
    before = before if begin else before.rstrip("\n") + "\n\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, f"{before}{EDITS_BEGIN}\n{block}{EDITS_END}{after}")
    return path


def between_markers(text: str, line: str) -> str:
    """
    A text with one line between the markers.

    Raises:
        UsageError: the markers are not there once each, in this order.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in rest or END in after:
        raise UsageError(f"{README} must hold {BEGIN} and, after it, {END}, once each: the score goes between them")
    return f"{before}{BEGIN}\n{line}\n{END}{after}"


def page(score: MutationScore) -> str:
    """The page."""
    table = tables.markdown([report.HEADINGS, *(line.cells for line in report.lines(score))])
    plain = tables.markdown([report.PLAIN_HEADINGS, *report.plain_rows(score)])
    wrong = "".join(f"- {text}\n" for text in report.wrong(score)) or "Nothing.\n"
    elsewhere = "".join(f"- {text}\n" for text in report.elsewhere(score)) or "Nowhere.\n"
    stories = {
        "The score": f"{report.sentence(score)} Each fault of a rung was planted in a copy of the checkout, and the "
        "whole ladder run there as a user runs it: killed means that exit code, side, rung, `parity.json`, event log, "
        f"verdict and report agree on it.\n\n{table}",
        "Plain comparison": "The same mutants before `allclose` of PyTorch's float32 outputs to TensorFlow's: object "
        "patches, loss, gradients to the weights. Mutants whose gate is a lane or the harness's self-check are not "
        f"shown to it: they have no such outputs.\n\n{plain}",
        "What did not end as declared": wrong,
        "Where the terminal names another place first": elsewhere,
    }
    head = (
        "# Mutation score\n\nThis page lists every planted fault and where it was found. "
        "`nox -s mutation -- --write` writes it; do not edit it. "
        "What a mutant is and how it is tried: [mutation.md](mutation.md).\n\n"
    )
    return head + report.page(score, stories)
