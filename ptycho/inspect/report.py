"""
An `Inspection` for people: rich tables, which turn into plain text where there is no terminal.

Rich is imported inside the function: `--help` and `--json` do not pay for it.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ptycho.inspect.inspection import Inspection
from ptycho.metrics.suspicions import Suspicion

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_PLAIN_WIDTH = 120
"""Columns where there is no terminal to ask."""


def show(inspection: Inspection, console: "Console | None" = None) -> None:
    """
    Print the members, what the file is, and what is wrong with it.

    Args:
        inspection: what to show.
        console: where to; None is standard output.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = console or Console()
    if not console.is_terminal:
        console.width = max(console.width, _PLAIN_WIDTH)
    console.print(Text(str(inspection.attempt.members.path), style="bold"))
    if inspection.attempt.members.table:
        console.print(_members(inspection, Table(box=box.SIMPLE_HEAD, pad_edge=False)))
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column()
    for name, text in _facts(inspection):
        facts.add_row(name, Text(text))
    console.print(facts)
    for style, title, lines in (
        ("yellow", "suspicious", [item.text for item in inspection.suspicions]),
        ("red", "breaks the data contract (DATA-001)", inspection.violations),
    ):
        if lines:
            console.print(Text(f"\n{title}: {len(lines)}", style=f"bold {style}"))
            for line in lines:
                # Whole lines, so that a message can be searched for; the terminal wraps them.
                console.print(Text(f"  - {line}"), soft_wrap=True)
    if not inspection.violations:
        style = "bold yellow" if inspection.suspicions else "bold green"
        console.print(Text(f"\n{_conclusion(inspection.suspicions)}", style=style), soft_wrap=True)


def _conclusion(suspicions: Sequence[Suspicion]) -> str:
    """The last line of a file that keeps the contract: someone who reads nothing else must not miss a suspicion."""
    kept = "keeps the data contract (DATA-001)"
    if not suspicions:
        return kept
    count = "1 suspicion" if len(suspicions) == 1 else f"{len(suspicions)} suspicions"
    return f"{kept}, but {count}: {'; '.join(item.what for item in suspicions)}"


def _members(inspection: Inspection, table: "Table") -> "Table":
    for column in ("key", "in the file", "shape", "dtype"):
        table.add_column(column, no_wrap=True)
    table.add_column("bytes", justify="right", no_wrap=True)
    table.add_column("stored", justify="right", no_wrap=True)
    for key, member in inspection.attempt.members.table.items():
        order = " (Fortran)" if member.fortran_order and len(member.shape) > 1 else ""
        shape = "×".join(map(str, member.shape)) or "scalar"
        stored = f"{member.stored / max(member.nbytes, 1):.0%}"
        name = member.filename.removesuffix(".npy")
        table.add_row(key, "" if name == key else name, shape + order, str(member.dtype), f"{member.nbytes:,}", stored)
    return table


def _facts(inspection: Inspection) -> Iterator[tuple[str, str]]:
    reading, diagnosis = inspection.attempt.reading, inspection.diagnosis
    if inspection.attempt.preview is not None:
        yield "format", str(inspection.attempt.metadata.get("format", "unknown"))
    yield from (("", note) for note in inspection.attempt.notes)
    if reading is not None:
        axes = "(M, N, N)" if reading.layout == "canonical" else "(N, N, M)"
        yield "layout", f"{reading.layout} {axes}, M = {reading.n_patterns} patterns, N = {reading.side}"
        yield "domain", reading.measurement_domain + ("" if reading.declared else " (not declared, assumed)")
    if diagnosis is not None:
        yield "values", diagnosis.text
    dataset = inspection.attempt.dataset
    if dataset is not None and dataset.bad_pixels is not None:
        each = "one mask for all patterns" if dataset.bad_pixels.ndim == 2 else "a mask for each pattern"
        yield "bad_pixels", f"{dataset.bad_share:.2%} of the pixels are bad and count nowhere; {each}"
    yield from _where(inspection)
    explained = inspection.explanation
    if explained is not None:
        looked = "all" if explained.patterns == explained.total else f"{explained.patterns} evenly spaced of"
        yield (
            "Fourier error",
            (
                f"given object {explained.given:.4f} ({explained.sampling}), flat object {explained.flat:.4f}; "
                f"{looked} {explained.total} patterns"
            ),
        )
        others = (f"{name} {error:.4f}" for name, error in explained.by_sampling.items())
        yield "", f"Fourier error by sub-pixel model: {', '.join(others)}"
    for key, value in inspection.attempt.metadata.items():
        yield f"_metadata.{key}", str(value)
    if inspection.attempt.dataset is not None:
        yield "sha256", inspection.attempt.dataset.source.sha256


def _where(inspection: Inspection) -> Iterator[tuple[str, str]]:
    found = inspection.footprint
    if found is None:
        return
    (x0, x1), (y0, y1) = found.x_px, found.y_px
    step = "" if found.step_px is None else f"; nearest neighbour {found.step_px:.2f} px (median)"
    yield "scan", f"x {x0:.1f} to {x1:.1f} px, y {y0:.1f} to {y1:.1f} px{step}"
    overlap = "" if found.overlap is None else f"; neighbouring discs overlap by {found.overlap:.0%}"
    yield (
        "probe",
        (
            f"90 % of the energy in a disc {found.probe_diameter_px:.1f} px across{overlap}; "
            f"{found.probe_energy_central:.1%} of the energy in the central N/2 square"
        ),
    )
    if found.object_touched is not None:
        agreement = found.reconstructed_agreement
        matches = "" if agreement is None else f"; agrees with its reconstructed region to {agreement:.3f}"
        yield "object", f"{found.object_touched:.1%} touched by the scan{matches}"
