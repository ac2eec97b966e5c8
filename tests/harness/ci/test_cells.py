"""A campaign's cells: claimed once, whoever asks meanwhile; released when nobody can run them; merged with proof."""

import json
import multiprocessing
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.ci import cells
from harness.ci.cells import CampaignCell, CampaignFolder
from ptycho.errors import InfrastructureError, UsageError
from tests.support.injected import bites

CODE = "c0de"


def campaign(folder: Path, count: int = 6) -> CampaignFolder:
    """A campaign with its manifest."""
    listed = tuple(CampaignCell(id=f"cell-{index}", entry=f"e{index}") for index in range(count))
    made = CampaignFolder(folder=folder, code=CODE, selection=("--more",), cells=listed)
    made.save()
    return made


def ran(made: CampaignFolder, batch: str, *indices: int, **changes: str) -> None:
    """Write results into a batch."""
    path = made.folder / "batches" / batch / cells.RESULTS
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        for index in indices:
            row = {"id": f"cell-{index}", "mutant": f"e{index}", "code": CODE, "outcome": "killed", **changes}
            file.write(json.dumps(row) + "\n")


def complete(folder: Path) -> CampaignFolder:
    """A campaign whose cells all ran, in two batches."""
    made = campaign(folder)
    for batch, indices in (("a", (0, 1, 2)), ("b", (3, 4, 5))):
        assert cells.names(made.claim(3, {"batch": batch})) == [f"cell-{index}" for index in indices]
        ran(made, batch, *indices)
    return made


def nobody(_claim: cells.Row) -> str:
    """No process is alive."""
    return ""


def _claim_all(
    folder: Path, batch: str, ready: "Callable[[], object]", mine: "multiprocessing.Queue[list[str]]"
) -> None:
    made = cells.load(folder)
    ready()
    found: list[str] = []
    while new := made.claim(3, {"batch": batch}):
        found += cells.names(new)
    mine.put(found)


def test_processes_that_claim_at_the_same_time_share_the_cells(tmp_path: Path) -> None:
    made = campaign(tmp_path, 200)
    context = multiprocessing.get_context("fork")
    barrier, queue = context.Barrier(6), context.Queue()
    workers = [
        context.Process(target=_claim_all, args=(tmp_path, f"b{number}", barrier.wait, queue)) for number in range(6)
    ]
    for worker in workers:
        worker.start()
    shares = [queue.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join(60)
    assert sorted(name for share in shares for name in share) == sorted(cells.names(made.cells))
    assert made.open_cells() == []


def test_the_manifest_is_found_again_and_another_one_is_refused(tmp_path: Path) -> None:
    made = campaign(tmp_path)
    made.save()
    assert cells.load(tmp_path) == made
    with pytest.raises(UsageError, match="is the manifest of another campaign: code differ"):
        CampaignFolder(folder=tmp_path, code="other", selection=made.selection, cells=made.cells).save()
    with pytest.raises(UsageError, match="cells differ; give another --folder"):
        CampaignFolder(folder=tmp_path, code=CODE, selection=made.selection, cells=made.cells[:2]).save()


def test_a_campaign_that_is_complete_is_merged_in_the_order_of_its_cells(tmp_path: Path) -> None:
    made = complete(tmp_path)
    assert made.complaints() == []
    rows = list(cells.rows(made.merge() / cells.RESULTS))
    assert [row["id"] for row in rows] == cells.names(made.cells)
    assert made.release(nobody) == []


@pytest.mark.fault("campaign-killed")
def test_claims_without_a_result_are_released_and_those_with_one_stay(tmp_path: Path) -> None:
    made = campaign(tmp_path)
    made.claim(3, {"batch": "a"})
    ran(made, "a", 0)
    path = made.folder / "batches" / "a" / cells.RESULTS
    path.write_text(path.read_text() + '{"id": "cell-1", "mut')
    made.claim_path(3).touch()  # its maker was killed before it wrote
    bites(made.missing() == [f"cell-{index}" for index in range(1, 6)], "five have no result")
    assert made.release(nobody) == ["cell-1", "cell-2", "cell-3"]
    assert cells.names(made.open_cells()) == [f"cell-{index}" for index in range(1, 6)]
    assert len(list((tmp_path / "released").iterdir())) == 3


def test_a_claim_of_somebody_who_lives_is_never_released(tmp_path: Path) -> None:
    made = campaign(tmp_path)
    made.claim(2, {"batch": "a"})
    with pytest.raises(UsageError, match="the campaign is under way: job 5 on n1: running; wait"):
        made.release(lambda _claim: "job 5 on n1: running")
    assert len(made.claimed()) == 2


PLANTED = (
    (lambda made: ran(made, "b", 0), "cell-0 ran 2 times: in a, b"),
    (lambda made: ran(made, "a", 0), "cell-0 ran 2 times: in a, a"),
    (lambda made: made.claim_path(4).unlink(), "cell-4 has a result in b, and nobody claimed it"),
    (lambda made: ran(made, "a", 9), "batch a has a result of 'cell-9', which is not in the manifest"),
    (lambda made: ran(made, "a", 1, code="old"), "batch a has a result of cell-1 for other code or another entry"),
    (lambda made: ran(made, "a", 1, mutant="old"), "batch a has a result of cell-1 for other code or another entry"),
    (lambda made: (made.folder / "batches/b/trials.ndjson").unlink(), "cell-3 has no result"),
    (lambda made: made.claim_path(2).write_text('{"batch": "b"}'), "cell-2 is claimed by b and has its result in a"),
    (lambda made: made.claim_path(77).write_text("{}"), "claim 77 is of no cell"),
)


@pytest.mark.fault("campaign-killed")
@pytest.mark.parametrize(("plant", "says"), PLANTED, ids=[says for _, says in PLANTED])
def test_what_did_not_run_exactly_once_is_not_merged(
    plant: Callable[[CampaignFolder], object], says: str, tmp_path: Path
) -> None:
    made = complete(tmp_path)
    bites(made.complaints() == [], "before, every cell ran once")
    plant(made)
    assert says in made.complaints()
    with pytest.raises(InfrastructureError, match="not every cell ran exactly once"):
        made.merge()


@pytest.mark.slow
@settings(max_examples=40)
@given(data=st.data())
def test_however_workers_are_killed_the_campaign_ends_with_each_cell_once(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    made = campaign(tmp_path_factory.mktemp("campaign"), data.draw(st.integers(1, 12)))
    for attempt in range(30):
        made.release(nobody)
        if not made.missing():
            break
        while made.open_cells():
            batch = f"{attempt}-{len(made.claimed())}"
            mine = made.claim(data.draw(st.integers(1, 5)), {"batch": batch})
            done = mine if attempt > 5 else mine[: data.draw(st.integers(0, len(mine)))]
            ran(made, batch, *(made.cells.index(cell) for cell in done))
            if len(done) < len(mine) and data.draw(st.booleans()):
                break  # every worker died: some cells were never claimed
    assert made.complaints() == []
    assert [row["id"] for row in cells.rows(made.merge() / cells.RESULTS)] == cells.names(made.cells)


def test_batches_get_smaller_towards_the_end() -> None:
    assert [cells.batch_size(left, 4) for left in (240, 100, 40, 1)] == [30, 13, 5, 4]
