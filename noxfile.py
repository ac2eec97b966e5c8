# /// script
# requires-python = ">=3.11"
# dependencies = ["nox>=2025.5"]
# ///
"""
The sessions. Everything that they do is a command of the harness; the sessions give it an environment.

`nox` runs the gates, `nox -t test` the rest of what must hold. What follows `--` are options of the session's command
(`--device cuda`, `--target FILE`), what follows a second `--` is pytest's. An unknown word ends nox with 2 at once.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - nox itself runs on older ones
    version = ".".join(map(str, sys.version_info[:2]))
    print(f"error: this is Python {version} ({sys.executable}); 3.11 to 3.13 are needed", file=sys.stderr)
    raise SystemExit(13)

import os
import signal
from itertools import pairwise
from pathlib import Path

import nox

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_external_run = nox.options.error_on_missing_interpreters = True
nox.options.reuse_venv = "yes"
signal.signal(signal.SIGTERM, signal.default_int_handler)  # nox unwinds, and ends its children, on SIGINT only
INTERRUPT_S, TERMINATE_S = 30.0, 15.0  # to tear down; the 0.3 s of nox's own kill pytest before its fixtures end
FOLLOW = ("--follow", str(os.getpid()))  # a command that runs for long ends when nox is gone


def run(session: nox.Session, *arguments: str) -> None:
    """Run the session's Python; asked to end, it has time to."""
    session.run("python", *arguments, interrupt_timeout=INTERRUPT_S, terminate_timeout=TERMINATE_S)


def install(session: nox.Session, lane: str, python: str = "") -> None:
    """Install a lane's lock, into the session's own environment or another's; nothing to do costs a file comparison."""
    if (backend := session.virtualenv.venv_backend) in ("none", "conda", "mamba"):
        session.error(f"a lane needs an environment of its own, not --venv-backend {backend}")
    into = python or str(Path(session.virtualenv.location, "bin", "python"))
    argv = (sys.executable, "harness/targets/install.py", lane, "--python", into)
    session.run_install(*argv, external=True, silent=False)


def value_of(option: str, words: list[str], default: str) -> str:
    """The value of an option in words that `check` has found to be right."""
    pairs = ((*word.partition("=")[::2], following) for word, following in pairwise([*words, ""]))
    return next((value or following for name, value, following in pairs if name == option), default)


def check(session: nox.Session, *command: str) -> None:
    """End with 2 if the harness would refuse a command line."""
    look, codes = (sys.executable, "-m", "harness", "check-options", *command), (0, 2, 13)
    if refusal := session.run_install(*look, external=True, silent=True, log=False, success_codes=codes):
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
    what = () if value_of("--target", own, "") else (backend,)
    check(session, "run", *what, *session.posargs)
    # With `auto` a GPU build is only worth its gigabytes where the driver is there; the harness then probes it.
    gpu = {"cuda": True, "auto": Path("/dev/nvidiactl").exists()}.get(value_of("--device", own, "cpu"), False)
    install(session, f"{backend}-{'gpu' if gpu else 'cpu'}")
    run(session, "-m", "harness", "run", *what, *FOLLOW, *session.posargs)


def command(session: nox.Session, name: str) -> None:
    """Run a command of the harness that needs no framework."""
    check(session, name, *session.posargs)
    install(session, "tests")
    session.run("python", "-m", "harness", name, *session.posargs)


@nox.session(default=True)
def torch_integration(session: nox.Session) -> None:
    """PyTorch: train, infer and score the fixtures in both layouts, then tests/torch."""
    integration(session, "torch")


@nox.session(default=True)
def tf_integration(session: nox.Session) -> None:
    """TensorFlow: train, infer and score the fixtures in both layouts, then tests/tf."""
    integration(session, "tf")


def lane_python(session: nox.Session, lane: str) -> str:
    """Interpreter of an environment for a lane beside the session's own: frameworks never share a process."""
    python = Path(session.virtualenv.location).with_name(f"parity-{lane}") / "bin" / "python"
    if not python.exists():
        session.run_install("python", "-m", "venv", str(python.parents[1]))
    install(session, lane, str(python))
    return str(python)


def ladder(session: nox.Session, command: str) -> None:
    """Run a command of the harness that asks both backends."""
    check(session, command, *session.posargs)
    install(session, "tests")
    pythons = (f"--python={side}={lane_python(session, f'{side}-cpu')}" for side in ("torch", "tf"))
    run(session, "-m", "harness", command, *pythons, *FOLLOW, *session.posargs)


@nox.session(default=True)
def parity(session: nox.Session) -> None:
    """Do the two backends agree? If not: at which step do they part, and which of them is wrong?"""
    ladder(session, "parity")


def pytest(session: nox.Session, *arguments: str) -> None:
    """Run tests in the harness's own environment."""
    install(session, "tests")
    run(session, "-m", "pytest", "-p", "no:cacheprovider", *arguments)


@nox.session(default=True)
def benchmark(session: nox.Session) -> None:
    """Epoch budget by phase, throughput, memory; `-- --against REV` for regressions, `-- --self-test` for the gate."""
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
    pytest(session, *(session.posargs or ["tests/browser"]))


@nox.session(default=False)
def slurm(session: nox.Session) -> None:
    """Arrays on a real Slurm of two nodes on the loopback; installs what it needs, or ends with 13."""
    pytest(session, *(session.posargs or ["tests/slurm"]))


@nox.session(tags=["test"], default=False)
def tests(session: nox.Session) -> None:
    """Tests of the core and of the harness, without any framework; `-- --shard 1/2`."""
    shard = ("-p", "harness.ci.shard_plugin") if value_of("--shard", session.posargs, "") else ()
    named = any(Path(word.partition("::")[0]).exists() for word in session.posargs)
    pytest(session, *shard, *session.posargs, *(() if named else ("tests/ptycho", "tests/harness")))


@nox.session(tags=["test"], default=False)
def lint(session: nox.Session) -> None:
    """Rules and format of every Python file, which room imports which, what is dangerous in the workflow files."""
    allow(session)
    install(session, "lint")
    for argv in (("ruff", "check"), ("ruff", "format", "--check"), ("lint-imports",)):
        session.run(*argv, "--no-cache")
    session.run("zizmor", "--offline", "--no-progress", "--no-config", ".github")


@nox.session(tags=["test"], default=False)
def typecheck(session: nox.Session) -> None:
    """Types of core, harness, backends and noxfile, strictly."""
    allow(session)
    install(session, "typecheck")
    session.run("mypy", f"--cache-dir={session.create_tmp()}")


@nox.session(default=False, venv_backend="none")
def lock(session: nox.Session) -> None:
    """Compile every dependency group into requirements/; `-- --upgrade` forgets the pins of before."""
    allow(session, "--upgrade")
    session.run(sys.executable, "-m", "harness.targets.locks", *session.posargs, external=True)


@nox.session(default=False)
def clean(session: nox.Session) -> None:
    """Sweep up after killed runs; `-- --check`, `-- --dry-run`, `-- --all`."""
    command(session, "clean")


if __name__ == "__main__":
    nox.main()
