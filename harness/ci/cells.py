"""
The cells of a campaign that several machines share: a manifest, a claim for each cell, and the proof that all ran once.

A claim is a file that only one process can make (`O_EXCL`, on NFS too). It names the batch into whose folder the result
is written, so that a result counts only from whoever holds the claim. A claim without a result is released when nobody
who could still write one lives; its file moves aside and stays as evidence. Nothing here depends on a clock.
"""

import json
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.ci import array_task
from harness.files import untrusted
from ptycho.errors import InfrastructureError, PtychoError, UsageError

MANIFEST = "manifest.json"
RESULTS = "trials.ndjson"
SCHEMA = "ptycho-harness-cells/1"
_LISTED = 5

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class CampaignCell:
    """
    One piece of a campaign.

    Attributes:
        id: its name in the campaign.
        entry: digest of what it is, so that a result of another one with its name does not count.
    """

    id: str
    entry: str


@dataclass(frozen=True, kw_only=True)
class CampaignFolder:
    """
    A campaign in its folder.

    Attributes:
        folder: that the machines share.
        code: digest of what is tried.
        selection: options of the campaign's command that chose the cells.
        cells: all of them.
    """

    folder: Path
    code: str
    selection: tuple[str, ...]
    cells: tuple[CampaignCell, ...]

    def save(self) -> None:
        """
        Write the manifest, or find the one that is there to be the same.

        Raises:
            UsageError: it is another one's: other code, other cells.
            InfrastructureError: it cannot be written.
        """
        content = {
            "schema": SCHEMA,
            "code": self.code,
            "selection": list(self.selection),
            "cells": [{"id": cell.id, "entry": cell.entry} for cell in self.cells],
        }
        path = self.folder / MANIFEST
        try:
            for name in ("claims", "released", "batches", "arrays"):
                (self.folder / name).mkdir(parents=True, exist_ok=True)
            whole = self.folder / f".{MANIFEST}-{secrets.token_hex(4)}"
            array_task.write(whole, content)
            try:
                os.link(whole, path)  # whole from the first moment on, and of one process only
            except FileExistsError:
                pass
            finally:
                whole.unlink()
        except OSError as error:
            raise InfrastructureError(
                f"the campaign's folder {str(self.folder)!r} cannot be used: {error.strerror}; give one that can be "
                "written (--folder)"
            ) from error
        if (there := array_task.read(path)) != content:
            names = [key for key in content if there is None or there.get(key) != content[key]]
            raise UsageError(
                f"{path} is the manifest of another campaign: {' and '.join(names)} differ; give another --folder"
            )

    def claim_path(self, index: int) -> Path:
        """The claim of a cell."""
        return self.folder / "claims" / f"{index}.json"

    def claimed(self) -> dict[int, Row]:
        """Claims by index of their cell; one whose maker died while it wrote is empty."""
        found = {}
        for path in (self.folder / "claims").iterdir():
            if path.suffix == ".json" and path.stem.isdecimal():
                found[int(path.stem)] = array_task.read(path) or {}
        return found

    def claim(self, count: int, about: Row) -> list[CampaignCell]:
        """
        Claim cells that nobody has.

        Args:
            count: how many at most.
            about: what the claim says; `batch` among it.

        Returns:
            Those that this process now has, and nobody else.
        """
        taken = self.claimed()
        mine: list[CampaignCell] = []
        for index, cell in enumerate(self.cells):
            if len(mine) == count:
                break
            if index in taken:
                continue
            try:
                handle = os.open(self.claim_path(index), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            except FileExistsError:
                continue
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump({"cell": cell.id, **about}, file)
            mine.append(cell)
        return mine

    def open_cells(self) -> list[CampaignCell]:
        """Cells that nobody has claimed."""
        taken = self.claimed()
        return [cell for index, cell in enumerate(self.cells) if index not in taken]

    def release(self, alive: Callable[[Row], str]) -> list[str]:
        """
        Release the claims that have no result and that nobody can give one any more.

        Args:
            alive: why the maker of a claim may still work on it; empty if it cannot.

        Returns:
            Ids of the cells that are free again.

        Raises:
            UsageError: a claim without a result is of a process that is alive: this campaign is under way.
        """
        results = self.results()
        idle = {index: claim for index, claim in self.claimed().items() if not self._result(index, claim, results)}
        if living := sorted({why for claim in idle.values() if (why := alive(claim))}):
            raise UsageError(f"the campaign is under way: {'; '.join(living[:_LISTED])}; wait until it has ended")
        for index in sorted(idle):
            # By a rename: of two who release at the same time, one finds nothing.
            target = self.folder / "released" / f"{index}-{secrets.token_hex(4)}.json"
            try:
                self.claim_path(index).rename(target)
            except FileNotFoundError:
                continue
        return [self.cells[index].id for index in sorted(idle)]

    def results(self) -> dict[str, list[Row]]:
        """Every whole line of every batch, by the batch's name."""
        return {path.parent.name: list(rows(path)) for path in sorted(self.folder.glob(f"batches/*/{RESULTS}"))}

    def _result(self, index: int, claim: Row, results: dict[str, list[Row]]) -> list[Row]:
        """Results of a cell in the batch that has its claim."""
        return [row for row in results.get(str(claim.get("batch")), []) if self._is_of(row, self.cells[index])]

    def _is_of(self, row: Row, cell: CampaignCell) -> bool:
        return (row.get("id"), row.get("mutant"), row.get("code")) == (cell.id, cell.entry, self.code)

    def missing(self) -> list[str]:
        """Ids of the cells that have no result."""
        claims, results = self.claimed(), self.results()
        return [
            cell.id for index, cell in enumerate(self.cells) if not self._result(index, claims.get(index, {}), results)
        ]

    def complaints(self) -> list[str]:
        """Return why it is not so that every cell ran exactly once, for this code; empty if it is."""
        claims, results = self.claimed(), self.results()
        said = []
        by_id: dict[str, list[str]] = {}
        known = {cell.id: cell for cell in self.cells}
        for batch, found in results.items():
            for row in found:
                name = str(row.get("id"))
                if name not in known:
                    said.append(f"batch {batch} has a result of {name!r}, which is not in the manifest")
                elif not self._is_of(row, known[name]):
                    said.append(f"batch {batch} has a result of {name} for other code or another entry")
                else:
                    by_id.setdefault(name, []).append(batch)
        for index, cell in enumerate(self.cells):
            batches, claim = by_id.get(cell.id, []), claims.get(index)
            if len(batches) > 1:
                said.append(f"{cell.id} ran {len(batches)} times: in {', '.join(batches)}")
            elif not batches:
                said.append(f"{cell.id} has no result" + ("" if claim is not None else ", and nobody claimed it"))
            elif claim is None:
                said.append(f"{cell.id} has a result in {batches[0]}, and nobody claimed it")
            elif claim.get("batch") != batches[0]:
                said.append(f"{cell.id} is claimed by {claim.get('batch')} and has its result in {batches[0]}")
        extra = sorted(set(claims) - set(range(len(self.cells))))
        return said + [f"claim {index} is of no cell" for index in extra]

    def merge(self) -> Path:
        """
        Write the one result of each cell into a folder, from which the campaign's command makes the verdict.

        Raises:
            InfrastructureError: a cell did not run exactly once.
        """
        if said := self.complaints():
            more = f" and {len(said) - _LISTED} more" if len(said) > _LISTED else ""
            raise InfrastructureError(f"not every cell ran exactly once: {'; '.join(said[:_LISTED])}{more}")
        lines = {str(row["id"]): row for found in self.results().values() for row in found}
        folder = self.folder / "merged"
        folder.mkdir(exist_ok=True)
        part = folder / f".{RESULTS}-{secrets.token_hex(4)}"
        text = "".join(json.dumps(lines[cell.id], ensure_ascii=False) + "\n" for cell in self.cells)
        part.write_text(text, encoding="utf-8")
        part.replace(folder / RESULTS)
        return folder


def load(folder: Path) -> CampaignFolder:
    """
    The campaign of a folder.

    Raises:
        InfrastructureError: there is none, or not for this version.
    """
    content = array_task.read(folder / MANIFEST)
    if content is None or content.get("schema") != SCHEMA:
        raise InfrastructureError(
            f"{folder / MANIFEST} is not a manifest of a campaign; do the machines share the folder?"
        )
    cells = tuple(CampaignCell(**cell) for cell in content["cells"])
    return CampaignFolder(folder=folder, code=content["code"], selection=tuple(content["selection"]), cells=cells)


def rows(path: Path) -> Iterator[Row]:
    """Whole lines of results; the last one may have been cut off by a kill."""
    try:
        text = untrusted.read_text(path)
    except PtychoError:
        return
    for line in text.splitlines():
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict):
            yield row


def batch_size(left: int, workers: int, *, least: int = 4) -> int:
    """Cells of the next batch: half of each worker's share, so that nobody waits long for the last one."""
    return max(least, -(-left // (2 * max(1, workers))))


def names(cells: Sequence[CampaignCell]) -> list[str]:
    """Ids."""
    return [cell.id for cell in cells]
