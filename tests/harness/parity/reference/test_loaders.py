"""The second half of R1 against the file's own arrays, and faults planted in loaders, draws and store."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.parity.reference import loaders, problem
from ptycho import config
from ptycho.data import contract, grouping, prepare, values
from ptycho.parity import loaders as parity_loaders
from ptycho.parity.request import Request
from ptycho.physics import forward
from ptycho.store import manifest
from ptycho.training import batches
from tests.support.golden_step0 import FIXTURE

Plant = Callable[[pytest.MonkeyPatch], None]


def ask(gridsize: int) -> Request:
    return problem.request(gridsize=gridsize, seed=8, scan=FIXTURE, steps=0)


def differing(request: Request) -> set[str]:
    found, wanted = parity_loaders.measure(request.scan, request.model), loaders.data(request)
    return {name for name in {*found, *wanted} if name not in found or found[name] != wanted.get(name)}


@pytest.mark.parametrize("gridsize", [1, 2])
def test_every_digest_is_the_files_own(gridsize: int) -> None:
    assert set() == differing(ask(gridsize))


def test_every_bad_file_is_refused_for_its_own_fault(tmp_path: Path) -> None:
    """A file that is refused for another reason than the planted one proves nothing."""
    request = ask(1)
    parity_loaders.measure(request.scan, request.model)
    with np.load(request.scan.path) as archive:
        given = parity_loaders.cut({name: archive[name] for name in archive.files if name != "_metadata"})
    counts = {}
    for name, (arrays, metadata) in parity_loaders.bad_files(given).items():
        path = parity_loaders.write(tmp_path / f"{name}.npz", arrays, metadata)
        counts[name] = contract.attempt(path).violations
    assert dict.fromkeys(loaders.BAD, 1) == {name: len(found) for name, found in counts.items()}
    assert len({*counts.values()}) == len(counts)


def _sorted_split(monkeypatch: pytest.MonkeyPatch) -> None:
    def leak(count: int, batch_size: int, seed: int) -> grouping.Split:
        everyone = np.arange(count)
        return grouping.Split(train=everyone, validation=everyone[:batch_size])

    monkeypatch.setattr(grouping, "split", leak)


def _counts_in_their_own_type(monkeypatch: pytest.MonkeyPatch) -> None:
    def overflowing(block: NDArray[Any]) -> NDArray[np.float64]:
        return np.asarray(np.sqrt(np.sqrt((block * block).astype(np.float64))))

    monkeypatch.setattr(values, "amplitude_of_counts", overflowing)


def _nothing_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest.Manifest, "mismatches", lambda *_: [])


def _never_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "require_legacy_dict", lambda _: None)


def _none_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    def skipping(cfg: dict[str, Any], settings: config.Config) -> None:
        cfg.update({name: value for name, value in config.flatten(settings).items() if value is not None})
        cfg["config_digest"] = config.digest(settings)

    monkeypatch.setattr(parity_loaders, "update_legacy_dict", skipping)
    monkeypatch.setattr(prepare, "require_legacy_dict", lambda _: None)


def _whole_batches_only(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = batches.iterate

    def cut(store: Any, order: Any, *, batch_size: int, num_workers: int = 0) -> Any:
        whole = len(order) // batch_size * batch_size
        return honest(store, order[:whole], batch_size=batch_size, num_workers=num_workers)

    monkeypatch.setattr(batches, "iterate", cut)


def _everybody_normalises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "_normalisation", lambda dataset, _: forward.normalisation(dataset.diffraction))


@pytest.mark.parametrize(
    ("plant", "seen"),
    [
        (_sorted_split, {"few.validation", "epoch.indices"}),
        (_counts_in_their_own_type, {"file.counts.diffraction", "file.legacy_counts.diffraction"}),
        (_nothing_compared, {"store.other_seed", "store.other_source_sha256", "store.other_file"}),
        (_never_refused, {"config.stale_refused"}),
        (_none_skipped, {"config.after_another"}),
        (_whole_batches_only, {"epoch.sizes"}),
        (_everybody_normalises, {"few.normalised"}),
    ],
)
def test_a_fault_in_the_core_shows(plant: Plant, seen: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    assert seen <= differing(ask(1))
