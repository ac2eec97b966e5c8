"""
The sessions as jobs of a service: options, locks, machine. The sessions themselves are the noxfile's.

A session that is not in the table runs as it is, so that a new one reaches every service without a change here. One
that the table names and the noxfile does not have is an error.
"""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ptycho.errors import InfrastructureError, UsageError

GPU_LABEL = "gpu"
"""Label of self-hosted runners and clusters with a GPU. The one place where it is written."""

CPU_MACHINE = ("ubuntu-24.04",)
GPU_MACHINE = ("self-hosted", GPU_LABEL)
OCCASIONS = ("push", "nightly")
SHARDS = 2
"""Jobs among which the tests of core and harness are shared out."""


@dataclass(frozen=True, kw_only=True)
class JobSpec:
    """
    Settings of a session on a service.

    Attributes:
        arguments: what follows `--`.
        locks: names of the locks that it installs, for the cache.
        gpu: whether it needs a GPU.
        occasions: of `OCCASIONS`.
        minutes: limit of the job.
        label: distinguishes it from other jobs of the same session; empty for the only one.
    """

    arguments: tuple[str, ...] = ()
    locks: tuple[str, ...] = ("tests",)
    gpu: bool = False
    occasions: tuple[str, ...] = OCCASIONS
    minutes: int = 60
    label: str = ""


def _tests() -> tuple[JobSpec, ...]:
    shards = (
        JobSpec(arguments=("--shard", f"{number}/{SHARDS}"), label=f"{number} of {SHARDS}")
        for number in range(1, SHARDS + 1)
    )
    return (*shards, _deep("tests"))


def _deep(*locks: str) -> JobSpec:
    return JobSpec(arguments=("--deep",), locks=locks, occasions=("nightly",), minutes=90, label="deep")


_BOTH = ("tests", "torch-cpu", "tf-cpu")
_CUDA = JobSpec(arguments=("--device", "cuda"), locks=("tests", "torch-gpu", "tf-gpu"), gpu=True, label="cuda")
WAYS: dict[str, tuple[JobSpec, ...]] = {
    "torch_integration": (
        JobSpec(locks=("torch-cpu",)),
        JobSpec(arguments=("--device", "cuda"), locks=("torch-gpu",), gpu=True, label="cuda"),
    ),
    "tf_integration": (
        JobSpec(locks=("tf-cpu",)),
        JobSpec(arguments=("--device", "cuda"), locks=("tf-gpu",), gpu=True, label="cuda"),
    ),
    "parity": (
        JobSpec(locks=_BOTH),
        _CUDA,
        JobSpec(
            arguments=("survey", *(f"--drawn={side}" for side in (64, 128, 256)), "--seeds=20"),
            locks=_BOTH,
            occasions=("nightly",),
            label="drawn",
        ),
    ),
    "benchmark-short": (JobSpec(locks=_BOTH, occasions=("push",)), replace(_CUDA, occasions=("push",))),
    "benchmark": (JobSpec(locks=_BOTH, occasions=("nightly",)), replace(_CUDA, occasions=("nightly",))),
    "mutation": (
        JobSpec(arguments=("--sample", "8"), locks=_BOTH, occasions=("push",), label="sample"),
        JobSpec(locks=_BOTH, occasions=("nightly",), minutes=180),
    ),
    "kill-test": (
        JobSpec(arguments=("--count", "20"), locks=_BOTH, occasions=("push",), label="sample"),
        JobSpec(locks=_BOTH, occasions=("nightly",), minutes=180),
    ),
    "slurm": (JobSpec(minutes=30),),
    "tests": _tests(),
    "torch_tests": (JobSpec(locks=("torch-cpu",)), _deep("torch-cpu")),
    "tf_tests": (JobSpec(locks=("tf-cpu",)), _deep("tf-cpu")),
    "browser": (JobSpec(locks=("browser",)),),
    "lint": (JobSpec(locks=("lint",)),),
    "typecheck": (JobSpec(locks=("tests", "lint")),),
}

NO_JOB = {
    "lock": "writes files that are committed: a person runs it, and a weekly job that opens a change",
    "report": "a step of the closing job, over the runs of every other one",
    "target": "about somebody's checkout, which a service does not have",
    "clean": "the last step of every job",
}
"""Sessions without a job of their own, and why."""


def sessions(root: Path) -> list[str]:
    """
    Names of the noxfile's sessions, in its order.

    Raises:
        InfrastructureError: nox is not installed, or cannot read the noxfile.
    """
    # Without a selection nox lists only those that run by default; nothing is called by this name.
    every = ("--keywords", "not nonesuch")
    argv = [sys.executable, "-m", "nox", "--list", "--json", *every, "--noxfile", str(root / "noxfile.py")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        why = done.stderr.strip().rpartition("\n")[2]
        raise InfrastructureError(f"nox cannot list the sessions of {root}: {why}; python -m pip install 'nox[uv]'")
    return list(dict.fromkeys(str(item["session"]) for item in json.loads(done.stdout)))


@dataclass(frozen=True, kw_only=True)
class CiJob:
    """
    A job of a service.

    Attributes:
        name: for people.
        session: of the noxfile.
        arguments: what follows the session's name on nox's command line, in one string.
        runs_on: labels of the machine.
        cache: changes when a lock does: key of the cache of packages.
        minutes: its limit.
        artifact: name of what it keeps, without characters that services refuse.
    """

    name: str
    session: str
    arguments: str
    runs_on: tuple[str, ...]
    cache: str
    minutes: int
    artifact: str


def jobs(found: Sequence[str], *, occasion: str, gpu: bool, root: Path) -> list[CiJob]:
    """
    Every job of an occasion, in the noxfile's order.

    Args:
        found: the noxfile's sessions.
        occasion: one of `OCCASIONS`.
        gpu: whether there are machines with a GPU.
        root: the checkout, whose locks name the caches.

    Raises:
        UsageError: the table names sessions that do not exist, or the occasion is unknown.
    """
    problems = [
        f"session {name!r} is in harness/ci/jobs.py and not in the noxfile; allowed: {', '.join(found)}"
        for name in (*WAYS, *NO_JOB)
        if name not in found
    ]
    if occasion not in OCCASIONS:
        problems.append(f"occasion {occasion!r}; allowed: {', '.join(OCCASIONS)}")
    if problems:
        raise UsageError("\n".join(problems))
    return [
        _job(name, way, root)
        for name in found
        if name not in NO_JOB
        for way in WAYS.get(name, (JobSpec(),))
        if occasion in way.occasions and (gpu or not way.gpu)
    ]


def _job(session: str, way: JobSpec, root: Path) -> CiJob:
    name = f"{session} ({way.label})" if way.label else session
    return CiJob(
        name=name,
        session=session,
        arguments=f"-- {' '.join(way.arguments)}" if way.arguments else "",
        runs_on=GPU_MACHINE if way.gpu else CPU_MACHINE,
        cache=cache_key(root / "requirements" / f"{lock}.txt" for lock in way.locks),
        minutes=way.minutes,
        artifact="-".join(name.replace("(", "").replace(")", "").split()),
    )


def cache_key(locks: Iterable[Path]) -> str:
    """
    Sixteen hexadecimal digits that change with any of some locks.

    Raises:
        UsageError: a lock is not there.
    """
    digest = hashlib.sha256()
    for path in locks:
        if not path.is_file():
            raise UsageError(f"no lock {path}; `nox -s lock` writes those of pyproject.toml's groups")
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def github(found: Sequence[CiJob]) -> str:
    """The jobs as the value of a `strategy.matrix`: one line of JSON."""
    return json.dumps({"include": [asdict(job) for job in found]})


def gitlab(found: Sequence[CiJob]) -> str:
    """The jobs as a child pipeline. JSON is YAML, and needs no writer of its own."""
    pipeline: dict[str, Any] = {
        "include": [{"local": "/.gitlab/jobs.yml"}],
        **{
            job.name: {
                "extends": ".session",
                "variables": {"SESSION": job.session, "ARGUMENTS": job.arguments, "CACHE_KEY": job.cache},
                "timeout": f"{job.minutes} minutes",
                **({"tags": [GPU_LABEL]} if GPU_LABEL in job.runs_on else {}),
            }
            for job in found
        },
    }
    return json.dumps(pipeline, indent=1) + "\n"
