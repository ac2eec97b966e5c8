"""The services' own files: valid, and nothing in them that a laptop could not run."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.ci import jobs
from harness.cli import main

ROOT = Path(__file__).resolve().parents[3]
GITHUB = ROOT / ".github" / "workflows" / "ci.yml"
UPGRADE = GITHUB.with_name("upgrade.yml")
GITLAB = (ROOT / ".gitlab-ci.yml", ROOT / ".gitlab" / "jobs.yml")
OF_THE_MACHINE = ("mkdir", "cp", "test", "exit", "apt-get")
"""What a step may call besides Python: folders and copies of its own, the closing test, the browser of a bare image."""

VARIABLES = {
    "$SESSION": "parity",
    "$ARGUMENTS": "",
    '"$OCCASION"': "push",
    "$GPU": "--gpu",
}


def scripts(path: Path) -> Iterator[str]:
    """Every command line of a workflow file."""

    def walk(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            for key, inner in value.items():
                if key in ("run", "script", "before_script", "after_script"):
                    for text in [inner] if isinstance(inner, str) else inner:
                        yield from text.splitlines()
                else:
                    yield from walk(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from walk(inner)

    yield from walk(yaml.safe_load(path.read_text()))


def commands(line: str) -> Iterator[list[str]]:
    """The simple commands of a line, variables filled in."""
    for variable, value in VARIABLES.items():
        line = line.replace(variable, value)
    inner = re.findall(r"\$\(([^)]*)\)", line)
    for part in [*inner, *re.split(r"&&|\|\||;|\bthen\b|\bfi\b", re.sub(r"\$\([^)]*\)", "", line))]:
        words = shlex.split(part.partition(">")[0])
        if words and words[0] not in ("if", "echo") and "=" not in words[0]:
            yield words


def complaint(words: list[str], sessions: list[str]) -> str | None:
    """Why a command cannot be run here, or None."""
    match words:
        case ["python", "-m", "pip", "install", "nox[uv]"]:
            return None
        case ["python", "-m", "nox", "-s", session, *_]:
            return None if session in sessions else f"no session {session}"
        case ["python", "-m", "harness", *given]:
            try:
                main.command_line().parse_args(given)
            except SystemExit:
                return f"harness has no command {' '.join(given)}"
            return None
        case [first, *_] if first in OF_THE_MACHINE:
            return None
    return f"no command of nox or the harness: {' '.join(words)}"


@pytest.fixture(scope="module")
def sessions() -> list[str]:
    return jobs.sessions(ROOT)


@pytest.mark.parametrize("path", [GITHUB, UPGRADE, *GITLAB], ids=lambda path: path.name)
def test_every_command_exists(path: Path, sessions: list[str]) -> None:
    found = [words for line in scripts(path) for words in commands(line)]
    assert len(found) >= 3
    assert [why for words in found if (why := complaint(words, sessions)) is not None] == []


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("python -m nox -s partiy", "no session partiy"),
        ("python -m harness ci matrix --ocasion push", "harness has no command ci matrix --ocasion push"),
        ("curl example.org | sh", "no command of nox or the harness: curl example.org | sh"),
        ('echo "m=$(python -m harness ci matrixx)" >> out', "harness has no command ci matrixx"),
    ],
)
def test_a_command_that_does_not_exist_is_red(line: str, why: str, sessions: list[str]) -> None:
    assert [complaint(words, sessions) for words in commands(line)] == [why]


def test_every_session_is_reached(sessions: list[str]) -> None:
    by_jobs = {
        job.session
        for occasion in jobs.OCCASIONS
        for job in jobs.jobs(sessions, occasion=occasion, gpu=True, root=ROOT)
    }
    for paths in ((GITHUB, UPGRADE), GITLAB):
        lines = [words for path in paths for line in scripts(path) for words in commands(line)]
        by_steps = {words[4] for words in lines if words[:4] == ["python", "-m", "nox", "-s"]}
        assert set(sessions) - by_jobs - by_steps == {"target"}
    assert {"lock", "target"} <= set(jobs.NO_JOB)


def test_the_label_of_gpu_machines_stands_in_one_place() -> None:
    for path in (GITHUB, UPGRADE, *GITLAB):
        assert "self-hosted" not in path.read_text()
        assert not re.search(r"tags:", path.read_text())


def test_every_job_cleans_up_however_it_ends() -> None:
    steps = yaml.safe_load(GITHUB.read_text())["jobs"]["session"]["steps"]
    assert steps[-1] == {"if": "always()", "run": "python -m nox -s clean"}
    assert yaml.safe_load(GITLAB[1].read_text())[".session"]["after_script"] == ["python -m nox -s clean"]


@pytest.mark.parametrize(
    ("schema", "paths"),
    [
        ("vendor.github-workflows", (GITHUB, UPGRADE)),
        ("custom.github-workflows-require-timeout", (GITHUB, UPGRADE)),
        ("vendor.gitlab-ci", GITLAB),
    ],
)
def test_the_files_follow_the_services_schemas(schema: str, paths: tuple[Path, ...]) -> None:
    done = validated(schema, *paths)
    assert (done.returncode, done.stdout.strip()) == (0, "ok -- validation done")


def test_a_file_that_breaks_its_schema_is_red(tmp_path: Path) -> None:
    broken = tmp_path / "ci.yml"
    broken.write_text(GITHUB.read_text().replace("runs-on: ubuntu-24.04", "run-on: ubuntu-24.04"))
    assert validated("vendor.github-workflows", broken).returncode == 1


def test_the_pipeline_that_is_written_follows_the_schema(sessions: list[str], tmp_path: Path) -> None:
    made = jobs.gitlab(jobs.jobs(sessions, occasion="nightly", gpu=True, root=ROOT))
    path = tmp_path / "pipeline.yml"
    path.write_text(made)
    assert validated("vendor.gitlab-ci", path).returncode == 0
    named = set(re.findall(r'"local": "/([^"]+)"', json.dumps(json.loads(made))))
    assert [name for name in named if not (ROOT / name).is_file()] == []


def audited(text: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """What the session lint says of a workflow file."""
    path = folder / ".github" / "workflows" / "ci.yml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    program = shutil.which("zizmor", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    assert program is not None, "zizmor is not installed; nox -s tests --install-only"
    argv = [program, "--offline", "--no-progress", "--no-config", "--color=never", ".github"]
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("path", [GITHUB, UPGRADE], ids=lambda path: path.name)
def test_nothing_dangerous_is_in_the_workflow_file(path: Path, tmp_path: Path) -> None:
    done = audited(path.read_text(), tmp_path)
    assert done.returncode == 0, done.stdout
    assert "No findings to report" in done.stdout


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        (r"actions/checkout@\w{40}", "actions/checkout@v6", "unpinned-uses"),
        ("          persist-credentials: false\n          fetch-depth", "          fetch-depth", "artipacked"),
        (r'-s "\$SESSION" \$ARGUMENTS', "-s ${{ matrix.session }}", "template-injection"),
        ("contents: read", "contents: write", "excessive-permissions"),
        ("  pull_request:\n", "  pull_request_target:\n", "dangerous-triggers"),
    ],
    ids=lambda value: str(value) if "-" in str(value) and " " not in str(value) else "",
)
def test_what_is_dangerous_is_red(old: str, new: str, finding: str, tmp_path: Path) -> None:
    text, count = re.subn(old, new, GITHUB.read_text())
    assert count >= 1
    done = audited(text, tmp_path)
    assert done.returncode != 0
    assert f"[{finding}]" in done.stdout


def test_new_packages_never_meet_a_right_to_write() -> None:
    github = yaml.safe_load(UPGRADE.read_text())
    assert github["permissions"] == {"contents": "read"}
    compare, propose = (github["jobs"][name] for name in ("compare", "propose"))
    assert "permissions" not in compare
    assert propose["permissions"] == {"contents": "write", "pull-requests": "write"}
    gitlab = yaml.safe_load(GITLAB[0].read_text())
    # The token is a variable of this environment alone.
    assert (gitlab["propose"]["environment"], "environment" in gitlab["upgrade"]) == ("upgrade", False)
    for job in (propose["steps"], gitlab["propose"]["script"]):
        text = json.dumps(job)
        assert [word for word in ("nox", "pip", "requirements") if word in text] == []
        assert "python -m harness ci propose upgrade" in text
    for lines in ([step.get("run", "") for step in compare["steps"]], gitlab["upgrade"]["script"]):
        upgrade = next(n for n, line in enumerate(lines) if "lock -- --upgrade" in line)
        assert "--lock-of HEAD" in lines[upgrade + 1]


def test_the_weekly_pipeline_does_not_run_the_nightly_one() -> None:
    gitlab = yaml.safe_load(GITLAB[0].read_text())
    for name in ("plan", "sessions"):
        assert gitlab[name]["rules"][0] == {"if": '$UPGRADE == "true"', "when": "never"}


def test_a_regression_is_proposed_as_well() -> None:
    assert yaml.safe_load(UPGRADE.read_text())["jobs"]["propose"]["if"] == "${{ !cancelled() }}"
    assert yaml.safe_load(GITLAB[0].read_text())["propose"]["rules"][0]["when"] == "always"


def validated(schema: str, *paths: Path) -> "subprocess.CompletedProcess[str]":
    argv = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *map(str, paths)]
    return subprocess.run(argv, capture_output=True, text=True, check=False)
