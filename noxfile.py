# /// script
# requires-python = ">=3.11"
# dependencies = ["nox>=2025.5"]
# ///
"""
The sessions. Everything that they do is a command of the harness; the sessions give it an environment.

`nox` runs the gates, `nox -t test` the rest of what must hold. What follows `--` goes on: `-- --device cuda` chooses
the device, `-- --target FILE` another checkout's pipeline, anything else is pytest's.
"""

import os
import signal
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_external_run = True
nox.options.error_on_missing_interpreters = True
nox.options.reuse_venv = "yes"

# nox unwinds on SIGINT only. SIGTERM takes the same way, so that children are told to end.
signal.signal(signal.SIGTERM, signal.default_int_handler)

DEVICES = ("auto", "cpu", "cuda")
INTERRUPT_S, TERMINATE_S = 30.0, 15.0
"""How long a child may take to tear down. The 0.3 s that nox gives by itself kill pytest before its fixtures end."""


FOLLOW = ("--follow", str(os.getpid()))
"""A command that runs for long ends when nox is gone."""


def run(session: nox.Session, *arguments: str) -> None:
    """Run the session's Python; asked to end, it has time to."""
    session.run("python", *arguments, interrupt_timeout=INTERRUPT_S, terminate_timeout=TERMINATE_S)


def install(session: nox.Session, lane: str) -> None:
    """Install a lane's lock; nothing to do costs a file comparison."""
    if session.virtualenv.venv_backend in ("none", "conda", "mamba"):
        session.error(f"a lane needs an environment of its own, not --venv-backend {session.virtualenv.venv_backend}")
    python = Path(session.virtualenv.location, "bin", "python")
    session.run_install(
        *(sys.executable, "harness/install.py", lane, "--python", str(python)), external=True, silent=False
    )


def taken(option: str, arguments: list[str]) -> tuple[list[str], list[str]]:
    """Values of an option that may be given several times, and what is left."""
    given, rest, items = [], [], iter(arguments)
    for argument in items:
        if argument == option:
            given.append(next(items, ""))
        elif argument.startswith(f"{option}="):
            given.append(argument.partition("=")[2])
        else:
            rest.append(argument)
    return given, rest


def device_and_rest(session: nox.Session) -> tuple[str, list[str]]:
    """Split positional arguments into the device (`cpu` if none is named) and what is left."""
    given, rest = taken("--device", session.posargs)
    device = given[-1] if given else "cpu"
    if device not in DEVICES:
        session.error(f"--device {device!r}; allowed: {', '.join(DEVICES)}")
    return device, rest


def integration(session: nox.Session, backend: str) -> None:
    """Run a backend's lane, or those of the targets given with `--target FILE`, in the environment of its lock."""
    device, rest = device_and_rest(session)
    files, rest = taken("--target", rest)
    # With `auto` a GPU build is only worth its gigabytes where the driver is there; the harness then probes it.
    gpu = device == "cuda" or (device == "auto" and Path("/dev/nvidiactl").exists())
    install(session, f"{backend}-{'gpu' if gpu else 'cpu'}")
    own, tests = (rest[: rest.index("--")], rest[rest.index("--") + 1 :]) if "--" in rest else ([], rest)
    what = [f"--target={file}" for file in files] or [backend]
    run(session, "-m", "harness", "run", *what, "--device", device, *FOLLOW, *own, "--", *tests)


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
    place = Path(session.virtualenv.location).with_name(f"parity-{lane}")
    python = str(place / "bin" / "python")
    if not Path(python).exists():
        session.run_install("python", "-m", "venv", str(place))
    session.run_install(*(sys.executable, "harness/install.py", lane, "--python", python), external=True, silent=False)
    return python


def ladder(session: nox.Session, command: str) -> None:
    """Run a command of the harness that asks both backends."""
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


@nox.session(default=False)
def endings(session: nox.Session) -> None:
    """Kill harness, nox and trainings at random moments: does anything stay behind? `-- --count 20`."""
    ladder(session, "endings")


@nox.session(default=False)
def mutation(session: nox.Session) -> None:
    """Plant every fault of the catalogue: does the harness find it? `-- --sample 20`, `-- --id GLOB`."""
    ladder(session, "mutation")


@nox.session(default=True)
def report(session: nox.Session) -> None:
    """One page of the newest run of every kind; `-- RUN` of one run, `-- --open` shows it."""
    install(session, "tests")
    session.run("python", "-m", "harness", "report", *session.posargs)


@nox.session(default=False)
def browser(session: nox.Session) -> None:
    """Open the report in the Chromium of this machine: errors, requests, contrast, the way to the first failure."""
    pytest(session, *(session.posargs or ["tests/browser"]))


@nox.session(tags=["test"], default=False)
def tests(session: nox.Session) -> None:
    """Tests of the core and of the harness, without any framework; `-- --shard 1/2`."""
    given, rest = taken("--shard", device_and_rest(session)[1])
    shard = ("-p", "harness.ci.shard_plugin", f"--shard={given[-1]}") if given else ()
    named = any(Path(word.partition("::")[0]).exists() for word in rest)
    pytest(session, *shard, *rest, *(() if named else ("tests/ptycho", "tests/harness")))


@nox.session(tags=["test"], default=False)
def lint(session: nox.Session) -> None:
    """Rules and format of every Python file."""
    install(session, "lint")
    session.run("ruff", "check", "--no-cache", ".")
    session.run("ruff", "format", "--no-cache", "--check", ".")


@nox.session(tags=["test"], default=False)
def typecheck(session: nox.Session) -> None:
    """Types of core, harness, backends and noxfile, strictly."""
    install(session, "typecheck")
    session.run("mypy", f"--cache-dir={session.create_tmp()}")


@nox.session(default=False, venv_backend="none")
def lock(session: nox.Session) -> None:
    """Compile every dependency group into requirements/; `-- --upgrade` forgets the pins of before."""
    session.run(sys.executable, "-m", "harness.locks", *session.posargs, external=True)


@nox.session(default=False)
def clean(session: nox.Session) -> None:
    """Sweep up after killed runs; `-- --check`, `-- --dry-run`, `-- --all`."""
    install(session, "tests")
    session.run("python", "-m", "harness", "clean", *session.posargs)


if __name__ == "__main__":
    nox.main()
