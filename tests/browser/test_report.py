"""The report in a browser: silent, self-contained, readable at two widths in both schemes, the fault a click away."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from harness.report import write
from tests.support import contrast, sample_log, sample_runs

VIEWS = [(width, scheme) for width in (390, 1280) for scheme in ("light", "dark")]

# Text is judged as it is painted: its colour over the nearest ground behind it that is not transparent.
COLOURS = """
() => {
  const found = {};
  const byte = (part) => (+part).toString(16).padStart(2, '0');
  const hex = (text) => '#' + text.match(/\\d+/g).slice(0, 3).map(byte).join('');
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const back = getComputedStyle(at).backgroundColor;
      if (!/, 0\\)$/.test(back)) return back;
    }
    return 'rgb(255, 255, 255)';
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
    if (element.closest('script, style, title')) continue;
    const style = getComputedStyle(element);
    const ink = element.closest('svg') ? style.fill : style.color;
    found[hex(ink) + ' ' + hex(ground(element))] = element.className.baseVal ?? element.className;
  }
  return found;
}
"""


@contextlib.contextmanager
def opened(browser: Browser, path: Path, **options: Any) -> Iterator[tuple[Page, list[str]]]:
    """A page, and everything that it complained of or asked for."""
    context = browser.new_context(**options)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    # The page itself is the one file that may be asked for.
    allowed = ("data:", path.as_uri())
    page.on("request", lambda asked: None if asked.url.startswith(allowed) else said.append(f"request: {asked.url}"))
    page.goto(path.as_uri())
    yield page, said
    context.close()


@pytest.mark.parametrize(("width", "scheme"), VIEWS)
def test_it_complains_of_nothing_and_asks_for_nothing(browser: Browser, report: Path, width: int, scheme: str) -> None:
    with opened(browser, report, viewport={"width": width, "height": 844}, color_scheme=scheme) as (page, said):
        page.wait_for_load_state("networkidle")
        assert [] == said
        sizes = page.evaluate("Array.from(document.images, (image) => [image.complete, image.naturalWidth > 0])")
        assert 17 == len(sizes)
        assert [[True, True]] * 17 == sizes
        # The page itself never scrolls sideways, and nothing sticks out of it.
        assert width == page.evaluate("document.documentElement.scrollWidth")


@pytest.mark.parametrize(("width", "scheme"), VIEWS)
def test_all_text_has_the_contrast_of_aa(browser: Browser, report: Path, width: int, scheme: str) -> None:
    with opened(browser, report, viewport={"width": width, "height": 844}, color_scheme=scheme) as (page, _):
        page.evaluate("document.querySelectorAll('details').forEach((item) => { item.open = true; })")
        found = page.evaluate(COLOURS)
        assert len(found) > 8
        weak = {pair: name for pair, name in found.items() if contrast.ratio(*pair.split()) < contrast.AA_TEXT}
        assert {} == weak


def test_the_measure_of_contrast_sees_a_weak_text(browser: Browser, report: Path, tmp_path: Path) -> None:
    weak = tmp_path / "weak.html"
    weak.write_text("<body><p>well</p><p style='color: #999; background: #fff'>weak</p></body>")
    with opened(browser, weak) as (page, _):
        found = page.evaluate(COLOURS)
        assert ["#999999 #ffffff"] == [pair for pair in found if contrast.ratio(*pair.split()) < contrast.AA_TEXT]


@pytest.mark.parametrize("width", [390, 1280])
def test_the_first_failing_rung_is_one_click_from_the_top(browser: Browser, report: Path, width: int) -> None:
    with opened(browser, report, viewport={"width": width, "height": 844}) as (page, said):
        link = page.get_by_role("link", name="First failing rung: R4 at gridsize 1 in f64; at fault: torch")
        box = link.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < 844
        link.click()
        page.wait_for_function(
            "() => { const box = document.getElementById('first-failure').getBoundingClientRect();"
            " return box.top >= 0 && box.top < 200; }"
        )
        shown = page.locator("#first-failure")
        assert shown.locator("h3").is_visible()
        assert "R4/exit_wave" in shown.inner_text()
        assert "python -m harness parity replay kept.npz" in shown.inner_text()
        assert shown.locator("img").first.is_visible()
        assert [] == said


def test_the_keyboard_goes_first_to_the_verdict_and_always_shows_where_it_is(browser: Browser, report: Path) -> None:
    with opened(browser, report, viewport={"width": 1280, "height": 844}) as (page, _):
        page.keyboard.press("Tab")
        assert "Skip to the verdict" == page.evaluate("document.activeElement.textContent")
        assert page.locator(".skip").bounding_box()["x"] >= 0
        page.keyboard.press("Enter")
        assert "main" == page.evaluate("document.activeElement.id")
        for _ in range(12):
            page.keyboard.press("Tab")
            widths = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
            assert "3px" == widths


def test_a_closed_part_opens_by_the_keyboard(browser: Browser, report: Path) -> None:
    with opened(browser, report) as (page, _):
        summary = page.locator("summary").first
        table = page.locator("details table").first
        assert not table.is_visible()
        summary.focus()
        page.keyboard.press("Enter")
        assert table.is_visible()


def test_without_scripts_only_the_copy_buttons_are_missing(browser: Browser, report: Path) -> None:
    with opened(browser, report, java_script_enabled=False) as (page, said):
        assert 0 == page.locator("button").count()
        page.get_by_role("link", name="First failing rung").click()
        assert page.locator("#first-failure h3").is_visible()
        assert [] == said


def test_what_a_log_smuggles_in_does_not_run(browser: Browser, tmp_path: Path) -> None:
    bad = sample_runs.HOSTILE
    rows = [*sample_log.whole()[:-1], sample_log.parent("problem", verdict="fail", message=bad), sample_log.end("fail")]
    made = write.write([sample_log.write(tmp_path / "run", rows)], root=tmp_path)
    with opened(browser, made.path) as (page, said):
        page.wait_for_load_state("networkidle")
        assert (True, []) == (page.title().startswith("fail (exit 1)"), said)
    # The second wall: the same script, unescaped, is stopped by the page's own policy.
    planted = tmp_path / "planted.html"
    planted.write_text(made.path.read_text().replace("</main>", f"{bad}</main>"))
    with opened(browser, planted) as (page, said):
        page.wait_for_load_state("networkidle")
        assert page.title().startswith("fail (exit 1)")
        assert any("Content Security Policy" in item for item in said)
