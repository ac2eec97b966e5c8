# /// script
# requires-python = ">=3.11"
# dependencies = ["nox>=2025.5"]
# ///
"""The sessions: each gives a command of the harness its environment; what follows `--` are that command's options."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - nox itself runs on older ones
    what = "error: this is Python {}.{} ({}); 3.11 to 3.13 are needed\n".format(*sys.version_info[:2], sys.executable)
    sys.exit(sys.stderr.write(what) and 13)

import os
import signal
from pathlib import Path

import nox

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "none"  # an environment belongs to a lane, and sessions share it: see `environment`
nox.options.error_on_external_run = True
signal.signal(signal.SIGTERM, signal.default_int_handler)  # nox unwinds, and ends its children, on SIGINT only
FOLLOW = ("--follow", str(os.getpid()))  # a command that runs for long ends when nox is gone


def environment(session: nox.Session, lane: str) -> str:
    """Bring a lane's environment to the state of its lock; sessions share it. Returns its interpreter."""
    argv = ("harness/targets/install.py", lane, "--python", f"{session.cache_dir.absolute().parent / lane}/bin/python")
    session.run_install(sys.executable, *argv, external=True, silent=False)
    return argv[-1]


def environments(session: nox.Session, *sides: str) -> list[str]:
    """The interpreter of each side: of its GPU lock where `--device` asks for a GPU."""
    argv = (sys.executable, "-m", "harness.targets.devices", *sides, "--", *session.posargs)
    locks = str(session.run_install(*argv, external=True, silent=True, log=False))
    return [environment(session, lock) for lock in locks.split()]


def run(session: nox.Session, *argv: str) -> None:
    """Run a program; asked to end, it has time to: nox's own 0.3 s kill pytest before its fixtures end."""
    session.run(*argv, external=True, interrupt_timeout=30.0, terminate_timeout=15.0)


def check(session: nox.Session, *command: str) -> None:
    """End with 2 at once if the harness would refuse a command line; what follows a second `--` is pytest's."""
    look = (sys.executable, "-m", "harness", "check-options", *command)
    if refusal := session.run_install(*look, external=True, silent=True, log=False, success_codes=(0, 2, 13)):
        print(refusal, file=sys.stderr)
        sys.exit(2)


def allow(session: nox.Session, *options: str) -> None:
    """End with 2 if a session is given a word that it does not know."""
    if unknown := [word for word in session.posargs if word not in options]:
        print(f"error: {session.name}: unknown: {' '.join(unknown)}; allowed: {', '.join(options) or 'no option'}")
        sys.exit(2)


def integration(session: nox.Session, backend: str) -> None:
    """Run a backend's lane, or those of the targets given with `--target FILE`, in the environment of its lock."""
    own = session.posargs[: [*session.posargs, "--"].index("--")]
    what = () if any(word.partition("=")[0] == "--target" for word in own) else (backend,)
    check(session, "run", *what, *session.posargs)
    (python,) = environments(session, backend)
    run(session, python, "-m", "harness", "run", *what, *FOLLOW, *session.posargs)


def command(session: nox.Session, *words: str, lane: str = "tests") -> None:
    """Run a command of the harness in a lane's environment."""
    check(session, *words, *session.posargs)
    run(session, environment(session, lane), "-m", "harness", *words, *session.posargs)


@nox.session(default=True)
def torch_integration(session: nox.Session) -> None:
    """PyTorch: train, infer and score the fixtures in both layouts, then tests/torch."""
    integration(session, "torch")


@nox.session(default=True)
def tf_integration(session: nox.Session) -> None:
    """TensorFlow: train, infer and score the fixtures in both layouts, then tests/tf."""
    integration(session, "tf")


def ladder(session: nox.Session, *command: str) -> None:
    """Run a command of the harness that asks both backends."""
    check(session, *command, *session.posargs)
    sides = ("torch", "tf")
    pythons = (f"--python={side}={path}" for side, path in zip(sides, environments(session, *sides), strict=True))
    run(session, environment(session, "tests"), "-m", "harness", *command, *pythons, *FOLLOW, *session.posargs)


@nox.session(default=True)
def parity(session: nox.Session) -> None:
    """Do the two backends agree? If not: at which step do they part, and which of them is wrong?"""
    ladder(session, "parity")


@nox.session(default=True, name="benchmark-short")
def benchmark_short(session: nox.Session) -> None:
    """Does an epoch of 1087 patterns keep to two minutes, in both backends?"""
    ladder(session, "benchmark", "--short")


@nox.session(default=False)
def benchmark(session: nox.Session) -> None:
    """Epoch budget by phase, throughput, memory; `-- compare REV` for regressions, `-- self-test` for the gate."""
    ladder(session, "benchmark")


@nox.session(default=False, name="kill-test")
def kill_test(session: nox.Session) -> None:
    """Kill harness, nox and trainings at random moments: does anything stay behind? `-- --count 20`."""
    ladder(session, "kill-test")


@nox.session(default=False)
def mutation(session: nox.Session) -> None:
    """Plant every fault of the catalogue: does the harness find it? `-- --sample 20`, `-- --id GLOB`."""
    ladder(session, "mutation")


@nox.session(default=True)
def report(session: nox.Session) -> None:
    """One page of the newest run of every kind; `-- RUN` of one run, `-- --open` shows it."""
    command(session, "report")


@nox.session(default=False)
def browser(session: nox.Session) -> None:
    """Open the report in the Chromium of this machine: errors, requests, contrast, the way to the first failure."""
    command(session, "ci", "test", "--workers=1", "--folder=tests/browser", lane="browser")


@nox.session(default=False)
def slurm(session: nox.Session) -> None:
    """Arrays on a real Slurm of two nodes on the loopback; installs what it needs, or ends with 13."""
    command(session, "ci", "test", "--workers=1", "--folder=tests/slurm")


@nox.session(tags=["test"], default=False)
def tests(session: nox.Session) -> None:
    """Tests of core and harness, without any framework; `-- --fast`, `-- --changed`, `-- --deep`, `-- --shard 1/2`."""
    command(session, "ci", "test", "--folder=tests/ptycho", "--folder=tests/harness")


@nox.session(tags=["test"], default=False)
def torch_tests(session: nox.Session) -> None:
    """Tests of the PyTorch backend, part by part; the same options as `tests`."""
    command(session, "ci", "test", "--folder=tests/torch", lane="torch-cpu")


@nox.session(tags=["test"], default=False)
def tf_tests(session: nox.Session) -> None:
    """Tests of the TensorFlow backend, part by part; the same options as `tests`."""
    command(session, "ci", "test", "--folder=tests/tf", lane="tf-cpu")


@nox.session(tags=["test"], default=False)
def lint(session: nox.Session) -> None:
    """Rules and format of every Python file, which room imports which, what is dangerous in the workflow files."""
    allow(session)
    programs = Path(environment(session, "lint")).parent
    for name, *options in (("ruff", "check"), ("ruff", "format", "--check"), ("lint-imports",)):
        run(session, str(programs / name), *options, "--no-cache")
    run(session, str(programs / "zizmor"), "--offline", "--no-progress", "--no-config", ".github")


@nox.session(tags=["test"], default=False)
def typecheck(session: nox.Session) -> None:
    """Types of core, harness, backends and noxfile, strictly."""
    allow(session)
    packages, python = (environment(session, lane) for lane in ("tests", "lint"))
    run(session, python, "-m", "mypy", f"--python-executable={packages}", f"--cache-dir={session.cache_dir / 'mypy'}")


@nox.session(default=False)
def lock(session: nox.Session) -> None:
    """Compile every dependency group into requirements/; `-- --upgrade` forgets the pins of before."""
    allow(session, "--upgrade")
    session.run(sys.executable, "-m", "harness.targets.locks", *session.posargs, external=True)


@nox.session(default=False)
def target(session: nox.Session) -> None:
    """Target files: `-- init DIR` writes one for a checkout, `-- check FILE` says what is wrong with it."""
    command(session, "target")


@nox.session(default=False)
def clean(session: nox.Session) -> None:
    """Sweep up after killed runs; `-- --check`, `-- --dry-run`, `-- --all`."""
    command(session, "clean")


if __name__ == "__main__":
    nox.main()
