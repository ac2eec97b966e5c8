"""The page as text: it says the truth about each kind of run, loads nothing, and can be read."""

import re
import time
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from harness.report import load_runs, overall_status, page, write
from harness.runs import freshness
from tests.support import contrast, sample_log, sample_runs

NO_END = ("meta", "link", "img", "br", "hr", "input")


class Reader(HTMLParser):
    """Collects what a page is made of, and notes what is not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in NO_END:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.text.append(data)

    def having(self, *tags: str) -> list[dict[str, str | None]]:
        return [given for tag, given in self.tags if tag in tags]


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freshness, "stale", lambda _told: [])


def read(path: Path, *folders: Path) -> tuple[str, Reader]:
    made = write.write(folders, root=path, out=path / "page.html")
    html = made.path.read_text()
    reader = Reader()
    reader.feed(html)
    assert ([], []) == (reader.wrong, reader.open)
    return html, reader


def words(reader: Reader) -> str:
    return " ".join(" ".join(reader.text).split())


def test_a_whole_that_passes_says_so_and_shows_everything(tmp_path: Path, scan: Path) -> None:
    html, reader = read(sample_runs.everything(tmp_path, scan))
    assert "<title>pass (exit 0)" in html
    said = words(reader)
    assert said.index("pass exit 0") < said.index("5 of 5 runs passed") < said.index("Reconstructions Each lane")
    for part in ("scan: flat object", "Loss on scan", "2 of 2 rungs pass", "Longest epoch beside its budget"):
        assert part in said
    assert "did not run" not in said.partition("Cleanliness and faults")[0]
    assert 'href="#first-failure"' not in html
    assert 12 == html.count('class="panel"')


@pytest.mark.slow
def test_a_failing_ladder_is_one_click_from_the_top(tmp_path: Path, scan: Path) -> None:
    html, reader = read(sample_runs.everything(tmp_path, scan, spoilt=0.1))
    said = words(reader)
    assert "<title>fail (exit 1)" in html
    assert said.index("First failing rung: R4 at gridsize 1 in f64; at fault: torch") < said.index(
        "Reconstructions Each"
    )
    assert 1 == html.count('id="first-failure"')
    assert "python -m harness parity replay kept.npz" in said


def test_a_killed_run_is_partial_and_says_what_was_under_way(tmp_path: Path) -> None:
    html, reader = read(tmp_path, sample_runs.killed(tmp_path, "torch"))
    said = words(reader)
    assert "<title>fail (exit 1)" in html
    assert "partial" in said
    assert "The log ends before the run did. These were running: command scan-train" in said
    assert "not compared" in said
    assert "cut short" in said
    assert "Loss on scan" in said


def test_a_missing_gpu_is_infrastructure_and_no_skip(tmp_path: Path) -> None:
    html, reader = read(tmp_path, sample_runs.without_gpu(tmp_path))
    assert "<title>infra (exit 13)" in html
    assert "no GPU computes for target" in words(reader)
    assert "torch-gpu" in words(reader)


def test_what_did_not_run_is_named_with_the_command_that_makes_it(tmp_path: Path, scan: Path) -> None:
    sample_runs.lane(tmp_path, "torch", scan)
    _, reader = read(tmp_path)
    said = words(reader)
    for kind in overall_status.KINDS[1:]:
        assert f"{kind.title} {'must report' if kind.gate else kind.why} {kind.command}" in said


def test_whatever_a_log_says_is_text(tmp_path: Path, scan: Path) -> None:
    bad = sample_runs.HOSTILE
    rows = sample_runs.lane_rows("torch", scan)
    rows[0] |= {"origin": sample_runs.origin(scan, commit=bad, device=bad)}
    rows[2] |= {"lane": f"torch{bad}-cpu", "words": bad}
    outcome = sample_log.one_test(bad, "failed", bad)
    finding = {"id": bad, "subject": bad, "sentence": bad, "severity": "error", "known": bad}
    more = [
        *sample_log.whole_suite(outcome, names=[bad])[1:],
        sample_log.parent("finding", **finding),
        sample_log.parent("problem", verdict="fail", message=f"{bad}\n{bad}"),
        sample_log.parent("leak", path=bad, place=bad, label=bad),
        sample_log.parent("note", message=bad),
        sample_log.parent("evidence", label=bad, log=bad, repeat=bad),
        sample_log.parent("fixture.end", fixture=bad, verdict=bad, pictures=[bad], reconstruction=bad),
    ]
    folder = sample_log.write(tmp_path / "run", [*rows[:-1], *more, rows[-1]])
    html, reader = read(tmp_path, folder)
    assert 1 == len(reader.having("script"))
    assert [] == [given for given in reader.having("img") if "onerror" in given]
    assert [] == [name for _, given in reader.tags for name in given if name.startswith("on") or name == "style"]
    assert html.count("<script") == 1
    assert "<script>document.title" in words(reader)


@pytest.mark.slow
def test_nothing_is_loaded_and_the_policy_says_so(tmp_path: Path, scan: Path) -> None:
    html, reader = read(sample_runs.everything(tmp_path, scan, spoilt=0.1))
    addresses = [given[name] or "" for _, given in reader.tags for name in ("src", "href") if name in given]
    assert {"#", "d"} == {address[0] for address in addresses}
    assert all(address.startswith(("#", "data:image/png;base64,", "data:,")) for address in addresses)
    assert [] == re.findall(r"url\(|@import|https?://(?!www\.w3\.org)", html)
    policy = next(given["content"] for given in reader.having("meta") if given.get("http-equiv"))
    assert policy == page.policy()
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")


@pytest.mark.slow
def test_every_link_within_the_page_leads_somewhere(tmp_path: Path, scan: Path) -> None:
    _, reader = read(sample_runs.everything(tmp_path, scan, spoilt=0.1))
    names = [given["id"] for _, given in reader.tags if "id" in given]
    assert len(set(names)) == len(names)
    targets = {(given["href"] or "").removeprefix("#") for given in reader.having("a")}
    assert set() == targets - set(names)
    labels = {label for _, given in reader.tags if (label := given.get("aria-labelledby"))}
    assert set() == labels - set(names)


@pytest.mark.slow
def test_it_can_be_read_by_ear(tmp_path: Path, scan: Path) -> None:
    html, reader = read(sample_runs.everything(tmp_path, scan, spoilt=0.1))
    assert all(given.get("alt") for given in reader.having("img"))
    assert all(
        given.get("aria-label") or given.get("aria-hidden") or "viewbox" in given or "overflow" in given
        for given in reader.having("svg")
    )
    assert len(reader.having("table")) == len(reader.having("caption"))
    assert all(given.get("scope") in ("col", "row") for given in reader.having("th"))
    levels = [int(tag[1]) for tag, _ in reader.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert '<html lang="en">' in html
    assert [1, 1, 1] == [len(reader.having(tag)) for tag in ("main", "header", "footer")]
    # Whatever scrolls can be reached by the keyboard.
    assert all(given.get("tabindex") == "0" for given in reader.having("pre"))
    assert all(given.get("tabindex") == "0" for given in reader.having("div") if given.get("class") == "scroll")


BACKS = {
    "page": ("text", "muted", "link", "pass", "fail", "warn"),
    "surface": ("text", "muted", "link", "pass", "fail", "warn"),
    "code-back": ("code",),
    "pass-back": ("pass",),
    "fail-back": ("fail", "link"),
    "warn-back": ("warn",),
    "open-back": ("open",),
    "button-back": ("button",),
}
"""Every background of the style, and the colours of text on it."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_the_contrast_of_aa_in_both_schemes(scheme: str) -> None:
    colours = contrast.schemes(page.style())[scheme]
    found = {
        (back, name): contrast.ratio(colours[back], colours[name]) for back, names in BACKS.items() for name in names
    }
    assert {} == {pair: value for pair, value in found.items() if value < contrast.AA_TEXT}
    drawn = {name: contrast.ratio(colours["page"], colours[name]) for name in colours if re.fullmatch(r"c\d", name)}
    assert 9 == len(drawn)
    assert {} == {name: value for name, value in drawn.items() if value < contrast.AA_GRAPHIC}


def test_the_style_uses_no_colour_that_is_not_judged() -> None:
    style = page.style()
    used = set(re.findall(r"var\(--([\w-]+)\)", style))
    judged = {*BACKS, *(name for names in BACKS.values() for name in names), *(f"c{at}" for at in range(9)), "line"}
    assert set() == used - judged
    rules = style.partition("* {")[2]
    assert ["#ffffff"] == re.findall(r"#[0-9a-fA-F]{3,8}", rules)  # behind pictures that have a white ground


def test_the_measure_of_contrast_is_the_one_of_the_standard() -> None:
    assert 21.0 == pytest.approx(contrast.ratio("#000000", "#ffffff"))
    assert 4.48 == pytest.approx(contrast.ratio("#777777", "#ffffff"), abs=0.01)


@pytest.mark.slow
def test_it_is_small_and_soon_made(tmp_path: Path, scan: Path) -> None:
    sample_runs.everything(tmp_path, scan, spoilt=0.1)
    clock = time.process_time()
    made = write.write([], root=tmp_path)
    assert time.process_time() - clock < 5
    assert made.bytes < write.LARGEST
    assert made.bytes == (tmp_path / "report" / "index.html").stat().st_size


@pytest.mark.slow
def test_the_same_runs_give_the_same_page(tmp_path: Path, scan: Path) -> None:
    runs = [load_runs.load(sample_runs.lane(tmp_path, name, scan)) for name in ("torch", "tf")]
    drawn = [page.render(page.make(overall_status.judge(runs, chosen=True))) for _ in range(2)]
    assert drawn[0] == drawn[1]
