"""A change with upgraded locks: what it reads, what it refuses, and what it asks GitHub and GitLab for."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.ci import propose, pull_request
from harness.ci.propose import BRANCH, ProposedChange
from harness.cli import main
from harness.targets import locks
from ptycho.errors import InfrastructureError, UsageError
from ptycho.verdict import Verdict

SUMMARY = """# versions: fail (exit 1)

## Against another state

| rung | in | torch 2.14.1 |
|---|---|---|
| R2b | f64 | regression |
"""
CHANGE = ProposedChange(
    title="Upgrade the locks (versions: pass (exit 0))", body="the table", files={"requirements/a.txt": "b"}
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a comparison leaves when a package of one lock was upgraded."""
    place = tmp_path / "upgrade"
    shutil.copytree(locks.REQUIREMENTS, place / "requirements")
    run = place / "runs" / "20261130T000000Z-0000"
    run.mkdir(parents=True)
    (run / "summary.md").write_text(SUMMARY)
    path = place / "requirements" / "tf-cpu.txt"
    path.write_text(path.read_text() + "zzz==1.0 \\\n    --hash=sha256:00\n")
    return place


def test_the_change_holds_what_differs_and_the_table(folder: Path) -> None:
    found = propose.collect(folder, locks.ROOT)
    assert found is not None
    assert [*found.files] == ["requirements/tf-cpu.txt"]
    assert found.files["requirements/tf-cpu.txt"].endswith("zzz==1.0 \\\n    --hash=sha256:00\n")
    assert found.title == "Upgrade the locks (versions: fail (exit 1))"
    assert "| R2b | f64 | regression |" in found.body


def test_without_a_difference_there_is_nothing_to_propose(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(folder / "requirements")
    shutil.copytree(locks.REQUIREMENTS, folder / "requirements")
    assert propose.collect(folder, locks.ROOT) is None
    assert main.main(["ci", "propose", str(folder)]) == Verdict.PASS
    assert "nothing to propose" in capsys.readouterr().out


def test_a_comparison_that_left_nothing_is_no_pass(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(folder / "runs")
    found = propose.collect(folder, locks.ROOT)
    assert found is not None
    assert found.title == "Upgrade the locks (not compared)"
    assert "that is not a pass" in found.body
    with pytest.raises(SystemExit) as ended:
        main.main(["ci", "propose", str(folder / "nonesuch")])
    assert ended.value.code == Verdict.INFRA
    assert "the comparison left nothing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("import os\n", "tf-cpu: names no package"),
        ("a==1\n--index-url https://example.org\n", "tf-cpu: names an address"),
        ("nvidia-nvtx==13 \\\n", "tf-cpu: nvidia-nvtx is a CUDA package"),
        (None, "tf-cpu.txt is missing"),
    ],
)
def test_what_is_no_lock_is_refused(text: str | None, why: str, folder: Path) -> None:
    path = folder / "requirements" / "tf-cpu.txt"
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(UsageError, match=why):
        propose.collect(folder, locks.ROOT)


def test_no_other_file_gets_into_the_change(folder: Path) -> None:
    (folder / "requirements" / "evil.txt").write_text("a==1\n")
    (folder / "noxfile.py").write_text("raise SystemExit\n")
    found = propose.collect(folder, locks.ROOT)
    assert found is not None
    assert [*found.files] == ["requirements/tf-cpu.txt"]


def test_a_headline_cannot_break_out_of_the_title(folder: Path) -> None:
    (run,) = (folder / "runs").iterdir()
    (run / "summary.md").write_text("# @everyone `x` [a](b) <!-- " + "y" * 200 + "\n")
    found = propose.collect(folder, locks.ROOT)
    assert found is not None
    assert not set("@`[]<>!\n") & set(found.title)
    assert len(found.title) < 120


class Service:
    """A service in memory: answers by method and beginning of the path, and what it was asked."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, str, Mapping[str, Any] | None]] = []

    def __call__(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        self.asked.append((method, path, body))
        return next((value for key, value in self.answers.items() if f"{method} {path}".startswith(key)), {})

    def body(self, call: str) -> Mapping[str, Any]:
        (found,) = (body for method, path, body in self.asked if f"{method} {path}" == call)
        assert found is not None
        return found


GITHUB = {
    "GET git/commits/c0ffee": {"tree": {"sha": "tree-of-main"}},
    "POST git/trees": {"sha": "new-tree"},
    "POST git/commits": {"sha": "new-commit"},
    "POST pulls": {"number": 7},
}


@pytest.mark.parametrize(
    ("branch", "opened", "said"),
    [
        ([], [], "opened pull request 7"),
        ([{"ref": f"refs/heads/{BRANCH}-of-mine"}], [], "opened pull request 7"),
        ([{"ref": f"refs/heads/{BRANCH}"}], [{"number": 5}], "replaced pull request 5"),
    ],
)
def test_github_gets_one_commit_one_branch_and_one_pull_request(branch: Any, opened: Any, said: str) -> None:
    answers = {"GET git/matching-refs": branch, "GET pulls": opened, **GITHUB}
    service = Service(answers)
    assert propose.to_github(service, CHANGE, "c0ffee", "main", "owner/name") == said
    tree = service.body("POST git/trees")
    assert tree["base_tree"] == "tree-of-main"
    assert [(entry["path"], entry["content"]) for entry in tree["tree"]] == [("requirements/a.txt", "b")]
    assert service.body("POST git/commits")["parents"] == ["c0ffee"]
    if said.startswith("opened"):
        assert service.body("POST git/refs") == {"ref": f"refs/heads/{BRANCH}", "sha": "new-commit"}
        assert service.body("POST pulls")["head"] == BRANCH
        assert service.body("POST pulls")["base"] == "main"
    else:
        assert service.body(f"PATCH git/refs/heads/{BRANCH}") == {"sha": "new-commit", "force": True}
        assert service.body("PATCH pulls/5") == {"title": CHANGE.title, "body": "the table"}
    assert [path for _, path, _ in service.asked if "main" in path and "heads" in path] == []


@pytest.mark.parametrize(
    ("opened", "said"), [([], "opened merge request 3"), ([{"iid": 2}], "replaced merge request 2")]
)
def test_gitlab_gets_the_same(opened: Any, said: str) -> None:
    service = Service({"GET merge_requests": opened, "POST merge_requests": {"iid": 3}})
    assert propose.to_gitlab(service, CHANGE, "c0ffee", "main") == said
    commit = service.body("POST repository/commits")
    assert (commit["branch"], commit["start_sha"], commit["force"]) == (BRANCH, "c0ffee", True)
    assert commit["actions"] == [{"action": "update", "file_path": "requirements/a.txt", "content": "b"}]
    if not opened:
        assert service.body("POST merge_requests")["target_branch"] == "main"


JOBS: dict[str, dict[str, str]] = {
    "github": {
        "GITHUB_REPOSITORY": "o/r",
        "GITHUB_TOKEN": "secret",
        "GITHUB_SHA": "c0ffee",
        "GITHUB_REF_NAME": "main",
    },
    "gitlab": {
        "CI_API_V4_URL": "https://gitlab.example/api/v4",
        "CI_PROJECT_ID": "12",
        "UPGRADE_TOKEN": "secret",
        "CI_COMMIT_SHA": "c0ffee",
        "CI_COMMIT_BRANCH": "main",
    },
}


@pytest.mark.parametrize("service", ["github", "gitlab"])
def test_a_variable_that_is_missing_is_named_and_the_token_stays_in_its_header(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in JOBS[service]:
        with pytest.raises(UsageError, match=f"{name} not set"):
            propose.publish({**JOBS[service], name: ""}, CHANGE, service)
    made: list[tuple[str, Mapping[str, str]]] = []

    def client(base: str, headers: Mapping[str, str]) -> Callable[..., Any]:
        made.append((base, headers))
        return Service({**GITHUB, "POST merge_requests": {"iid": 3}, "GET": []})

    monkeypatch.setattr(pull_request, "client", client)
    done, address, header = {
        "github": ("opened pull request 7", "https://api.github.com/repos/o/r", "Authorization"),
        "gitlab": ("opened merge request 3", "https://gitlab.example/api/v4/projects/12", "PRIVATE-TOKEN"),
    }[service]
    assert propose.publish(JOBS[service], CHANGE, service) == done
    ((base, headers),) = made
    assert base == address
    assert "secret" in headers[header]


def test_an_address_that_is_not_encrypted_is_refused() -> None:
    with pytest.raises(UsageError, match="begins with https://"):
        propose.publish({**JOBS["gitlab"], "CI_API_V4_URL": "http://gitlab.example"}, CHANGE, "gitlab")


def test_the_command_shows_the_change_and_asks_nobody(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["ci", "propose", str(folder), "--print", "--json"]) == Verdict.PASS
    said = json.loads(capsys.readouterr().out)
    assert (said["files"], said["done"]) == (["requirements/tf-cpu.txt"], "")
    assert said["title"] == "Upgrade the locks (versions: fail (exit 1))"


def test_a_refusal_of_the_service_ends_with_13() -> None:
    def refuse(method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        raise InfrastructureError("POST pulls: the service answered 403")

    with pytest.raises(InfrastructureError, match="403"):
        propose.to_github(refuse, CHANGE, "c0ffee", "main", "o/r")
