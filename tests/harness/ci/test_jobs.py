import json
from pathlib import Path

import pytest

from harness.ci import jobs
from ptycho.errors import InfrastructureError, UsageError

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def sessions() -> list[str]:
    return jobs.sessions(ROOT)


def test_the_sessions_are_the_noxfile_s_those_on_demand_included(sessions: list[str]) -> None:
    assert {"torch_integration", "tf_integration", "parity", "mutation", "tests", "lock", "clean"} <= set(sessions)
    assert len(sessions) == len(set(sessions))


def test_a_checkout_without_a_noxfile_is_said(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="nox cannot list the sessions"):
        jobs.sessions(tmp_path)


def test_every_session_has_a_job_or_a_reason(sessions: list[str]) -> None:
    push, night = (
        {job.session for job in jobs.jobs(sessions, occasion=occasion, gpu=False, root=ROOT)}
        for occasion in jobs.OCCASIONS
    )
    assert push | night | set(jobs.NO_JOB) == set(sessions)
    assert (push | night) & set(jobs.NO_JOB) == set()
    # What a night does whole, a push does in a short form of its own.
    assert (push - night, night - push) == ({"benchmark-short"}, {"benchmark"})


def test_every_night_runs_the_deep_tests_of_every_environment(sessions: list[str]) -> None:
    found = jobs.jobs(sessions, occasion="nightly", gpu=False, root=ROOT)
    assert [job.session for job in found if job.arguments == "-- --deep"] == ["tests", "torch_tests", "tf_tests"]


def test_a_new_session_gets_a_job_without_a_change_of_the_table(sessions: list[str]) -> None:
    found = jobs.jobs([*sessions, "newcomer"], occasion="push", gpu=False, root=ROOT)
    assert [(job.name, job.arguments) for job in found if job.session == "newcomer"] == [("newcomer", "")]


def test_a_session_that_is_gone_is_an_error(sessions: list[str]) -> None:
    with pytest.raises(UsageError, match=r"session 'parity' is in harness/ci/jobs\.py and not in the noxfile"):
        jobs.jobs([name for name in sessions if name != "parity"], occasion="push", gpu=False, root=ROOT)


def test_an_unknown_occasion_is_refused(sessions: list[str]) -> None:
    with pytest.raises(UsageError, match="occasion 'weekly'; allowed: push, nightly"):
        jobs.jobs(sessions, occasion="weekly", gpu=False, root=ROOT)


def test_gpu_lanes_run_on_the_label_and_only_where_there_is_one(sessions: list[str]) -> None:
    without, having = (jobs.jobs(sessions, occasion="push", gpu=gpu, root=ROOT) for gpu in (False, True))
    added = [job for job in having if job not in without]
    assert [(job.session, job.arguments) for job in added] == [
        ("torch_integration", "-- --device cuda"),
        ("tf_integration", "-- --device cuda"),
        ("parity", "-- --device cuda"),
        ("benchmark-short", "-- --device cuda"),
    ]
    assert {job.runs_on for job in added} == {("self-hosted", jobs.GPU_LABEL)}
    assert {job.runs_on for job in without} == {jobs.CPU_MACHINE}


def test_every_push_samples_what_every_night_does_whole(sessions: list[str]) -> None:
    def arguments(occasion: str) -> dict[str, str]:
        found = jobs.jobs(sessions, occasion=occasion, gpu=False, root=ROOT)
        return {job.session: job.arguments for job in found if job.session in ("mutation", "kill-test")}

    assert {"mutation": "-- --sample 8", "kill-test": "-- --count 20"} == arguments("push")
    assert {"mutation": "", "kill-test": ""} == arguments("nightly")


def test_the_shards_are_numbered_through(sessions: list[str]) -> None:
    found = [job.arguments for job in jobs.jobs(sessions, occasion="push", gpu=False, root=ROOT)]
    assert [text for text in found if "--shard" in text] == [
        f"-- --shard {number}/{jobs.SHARDS}" for number in range(1, jobs.SHARDS + 1)
    ]


def test_names_and_artifacts_are_each_one_of_their_own(sessions: list[str]) -> None:
    found = jobs.jobs(sessions, occasion="push", gpu=True, root=ROOT)
    assert len(found) == len({job.name for job in found}) == len({job.artifact for job in found})
    assert [job.artifact for job in found if not job.artifact.replace("-", "").replace("_", "").isalnum()] == []


def test_a_cache_belongs_to_the_bytes_of_its_locks(tmp_path: Path) -> None:
    lock = tmp_path / "torch-cpu.txt"
    lock.write_text("torch==1\n")
    before = jobs.cache_key([lock])
    lock.write_text("torch==2\n")
    assert before != jobs.cache_key([lock])
    with pytest.raises(UsageError, match="no lock"):
        jobs.cache_key([tmp_path / "absent.txt"])


def test_both_services_get_the_same_jobs(sessions: list[str]) -> None:
    found = jobs.jobs(sessions, occasion="push", gpu=True, root=ROOT)
    (matrix,) = json.loads(jobs.github(found)).values()
    pipeline = json.loads(jobs.gitlab(found))
    assert [item["name"] for item in matrix] == [name for name in pipeline if name != "include"]
    assert "\n" not in jobs.github(found)
    tagged = [name for name, job in pipeline.items() if name != "include" and job.get("tags") == [jobs.GPU_LABEL]]
    assert tagged == [item["name"] for item in matrix if jobs.GPU_LABEL in item["runs_on"]]
