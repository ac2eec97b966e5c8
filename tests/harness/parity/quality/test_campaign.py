"""What belongs together and what does not: identity, input, versions, and a file that is read back as it was."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.parity.quality import campaign as quality_campaign
from harness.parity.quality.campaign import QualityCampaign
from ptycho.errors import PtychoError, UsageError
from tests.support import quality_runs

SIDES = ("torch", "tf")


def test_a_campaign_is_read_back_as_it_was(tmp_path: Path) -> None:
    campaign = quality_runs.made_up(seeds=(1, 2, 3))
    campaign.looks.append(3)
    campaign.write(tmp_path / "quality.json")
    assert quality_campaign.resume(tmp_path / "quality.json", {}, SIDES) == campaign
    assert json.loads((tmp_path / "quality.json").read_text())["result"] is None


def test_pairs_are_in_the_order_of_the_seeds_and_whole() -> None:
    campaign = quality_runs.made_up(seeds=(3, 1, 2))
    campaign.runs = [run for run in campaign.runs if run.name != "torch seed 1"]
    assert {side: [run.seed for run in runs] for side, runs in campaign.pairs((1, 2, 3)).items()} == {
        "torch": [2, 3],
        "tf": [2, 3],
    }
    assert (campaign.has("tf", 1), campaign.has("torch", 1)) == (True, False)


def test_another_input_under_one_seed_is_refused() -> None:
    campaign = quality_runs.made_up(seeds=(1,))
    torch, tf = campaign.runs
    with pytest.raises(PtychoError, match="tf seed 1 and torch seed 1 did not get the same input"):
        QualityCampaign(identity={}, sides=SIDES, runs=[torch]).add(replace(tf, input_sha256="other"))


def test_another_version_on_one_side_is_refused() -> None:
    campaign = quality_runs.made_up(seeds=(1,))
    later = replace(campaign.runs[0], seed=2, versions={"torch": "9"})
    with pytest.raises(UsageError, match=r"torch seed 2 ran with \{'torch': '9'\}, torch seed 1 with \{\}"):
        campaign.add(later)


@pytest.mark.parametrize("key", ["commit", "scan_sha256", "settings", "lock_sha256.tf", "sources_sha256.torch"])
def test_what_differs_is_named(key: str, tmp_path: Path) -> None:
    identity: dict[str, Any] = dict.fromkeys(
        ("commit", "scan_sha256", "settings", "lock_sha256.tf", "sources_sha256.torch"), "a"
    )
    QualityCampaign(identity=identity, sides=SIDES).write(tmp_path / "quality.json")
    assert quality_campaign.resume(tmp_path / "quality.json", identity, SIDES).runs == []
    with pytest.raises(UsageError) as refused:
        quality_campaign.resume(tmp_path / "quality.json", identity | {key: "b"}, SIDES)
    assert str(refused.value).splitlines()[1:] == [f"  - {key}: there 'a', now 'b'"]


def test_what_is_no_campaign_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "quality.json"
    for text in ("", "[]", '{"schema": "ptycho-quality/0"}', '{"schema": "ptycho-quality/1"}'):
        path.write_text(text)
        with pytest.raises(UsageError, match=r"not a campaign of this version"):
            quality_campaign.resume(path, {}, SIDES)
    with pytest.raises(UsageError, match=r"not a campaign of this version"):
        quality_campaign.resume(tmp_path / "absent.json", {}, SIDES)


def test_the_identity_names_scan_sources_settings_and_locks(tmp_path: Path) -> None:
    scan = tmp_path / "scan.npz"
    scan.write_bytes(b"abc")
    (tmp_path / "tf-cpu.txt").write_text("tensorflow==1")
    found = quality_campaign.identify(scan, {"nepochs": 3}, SIDES, locks=tmp_path)
    assert found["scan_sha256"] == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert (found["settings"], found["lock_sha256.torch"]) == ({"nepochs": 3}, None)
    (tmp_path / "tf-cpu.txt").write_text("tensorflow==2")
    again = quality_campaign.identify(scan, {"nepochs": 3}, SIDES, locks=tmp_path)
    assert {key for key in found if found[key] != again[key]} == {"lock_sha256.tf"}
    assert len({found[f"sources_sha256.{owner}"] for owner in (*SIDES, "harness")}) == 3
