"""One comment on a pull request: written once, then replaced, nobody else's touched, never too long."""

import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from harness.ci import pull_request
from harness.ci.pull_request import LARGEST, MARKER
from harness.cli import main
from ptycho.errors import InfrastructureError, UsageError
from tests.support import sample_log


class Service:
    """GitHub's comments on one pull request, in memory."""

    def __init__(self, *comments: dict[str, Any]) -> None:
        self.comments = list(comments)
        self.asked: list[tuple[str, str]] = []

    def __call__(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        self.asked.append((method, path))
        if method == "GET":
            _, _, query = path.partition("?")
            page = int(query.rpartition("=")[2])
            return self.comments[(page - 1) * 100 : page * 100]
        assert body is not None
        if method == "POST":
            self.comments.append({"id": 1000 + len(self.comments), "user": {"type": "Bot"}, "body": body["body"]})
        else:
            (mine,) = (one for one in self.comments if path.endswith(f"/{one['id']}"))
            mine["body"] = body["body"]
        return {}


def person(number: int, body: str) -> dict[str, Any]:
    return {"id": number, "user": {"type": "User"}, "body": body}


def test_the_first_push_writes_and_the_next_replaces() -> None:
    service = Service(person(1, "looks good"))
    assert pull_request.publish(service, 7, f"{MARKER}\none") == "wrote a comment on pull request 7"
    assert pull_request.publish(service, 7, f"{MARKER}\ntwo") == "replaced the comment on pull request 7"
    assert [one["body"] for one in service.comments] == ["looks good", f"{MARKER}\ntwo"]


def test_a_person_who_quotes_the_marker_is_left_alone() -> None:
    service = Service(person(1, f"{MARKER} what is this?"), {"id": 2, "user": {"type": "Bot"}, "body": "other bot"})
    pull_request.publish(service, 7, f"{MARKER}\none")
    assert [one["body"] for one in service.comments] == [
        f"{MARKER} what is this?",
        "other bot",
        f"{MARKER}\none",
    ]


def test_the_comment_is_found_on_a_later_page() -> None:
    service = Service(*(person(number, "talk") for number in range(150)))
    pull_request.publish(service, 7, f"{MARKER}\none")
    pull_request.publish(service, 7, f"{MARKER}\ntwo")
    assert len(service.comments) == 151
    assert service.comments[-1]["body"].endswith("two")
    assert ("GET", "issues/7/comments?per_page=100&page=2") in service.asked


def test_an_answer_that_is_not_a_list_is_refused() -> None:
    with pytest.raises(InfrastructureError, match="expected a list of comments"):
        pull_request.publish(lambda *_: {"message": "no"}, 7, "text")


def test_the_comment_has_a_line_for_each_run_and_the_marker_first(tmp_path: Path) -> None:
    for name, text in (("a", "# torch-cpu: pass (exit 0)\n\nall\n"), ("b", "# parity: fail (exit 1)\n\nR4\n")):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "summary.md").write_text(text)
    text = pull_request.of_runs(tmp_path, "0123456789abcdef")
    assert text.startswith(f"{MARKER}\n### Runs of 0123456789ab\n")
    assert "- torch-cpu: pass (exit 0)\n- parity: fail (exit 1)\n" in text
    assert "<details>" in text
    assert text.index("<details>") < text.index("R4")


def test_no_run_is_not_a_pass() -> None:
    assert "that is not a pass" in pull_request.body([], [], "")


def test_a_long_comment_is_cut_to_what_the_service_takes() -> None:
    text = pull_request.body(["a: pass"] * 9000, ["ä" * 400_000, "short"], "")
    assert len(text.encode()) <= LARGEST
    assert text.endswith("</details>\n")
    assert "[cut here" in text


COMPLETE = {"GITHUB_REPOSITORY": "o/r", "GITHUB_TOKEN": "secret", "PULL_REQUEST": "7"}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"GITHUB_TOKEN": ""}, "GITHUB_TOKEN not set"),
        ({"PULL_REQUEST": "7/../8"}, "PULL_REQUEST '7/../8'; allowed: the number"),
        ({"GITHUB_API_URL": "http://example.org"}, "begins with https://"),
    ],
)
def test_what_a_job_must_set_is_named(changes: dict[str, str], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        pull_request.service({**COMPLETE, **changes})


@pytest.fixture
def loopback() -> Iterator[tuple[str, list[tuple[str, str, str, str]]]]:
    """A server on this machine that takes every request for pull request 7 and refuses all others."""
    asked: list[tuple[str, str, str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            content = self.rfile.read(size).decode()
            asked.append((self.command, self.path, self.headers["Authorization"], content))
            self.send_response(200 if "/7/" in self.path else 403)
            self.end_headers()
            self.wfile.write(b"[]")

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_service_is_asked_with_the_token(loopback: tuple[str, list[tuple[str, str, str, str]]]) -> None:
    address, asked = loopback
    api, number = pull_request.service({**COMPLETE, "GITHUB_API_URL": address})
    pull_request.publish(api, number, "text")
    assert asked == [
        ("GET", "/repos/o/r/issues/7/comments?per_page=100&page=1", "Bearer secret", ""),
        ("POST", "/repos/o/r/issues/7/comments", "Bearer secret", json.dumps({"body": "text"})),
    ]
    with pytest.raises(InfrastructureError, match="403; its token may not do this"):
        pull_request.publish(api, 8, "text")


def test_nobody_there_is_a_fault_of_the_machine() -> None:
    api, number = pull_request.service({**COMPLETE, "GITHUB_API_URL": "http://127.0.0.1:9"})
    with pytest.raises(InfrastructureError, match="no answer of the service"):
        pull_request.publish(api, number, "text")


def test_the_command_shows_the_comment_without_asking_anybody(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = sample_log.write(tmp_path / "runs" / "one", sample_log.whole())
    assert main.main(["report", "rebuild", str(folder)]) == 0
    capsys.readouterr()
    assert main.main(["ci", "comment", "--print", "--root", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(MARKER)
    assert "fake-cpu: pass (exit 0)" in shown
