"""
One comment on a pull request, which every push replaces: the state of all its runs.

A comment is found again by a marker in its first line, among those that a bot has written: what a person quotes is left
alone. The comment is a convenience: the verdict is that of the jobs, and a token that may not write ends in a sentence.
"""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from harness.ci import combined_summary
from ptycho.errors import InfrastructureError, UsageError

MARKER = "<!-- ptycho-harness: summary of the runs -->"
LARGEST = 60_000
"""Bytes of a comment, below the 65,536 characters that GitHub takes."""

PAGE = 100
PAGES = 50
"""Comments of a page, and pages that are looked through."""

TIMEOUT_S = 30.0
VARIABLES = ("GITHUB_REPOSITORY", "GITHUB_TOKEN", "PULL_REQUEST")


class Api(Protocol):
    """Asks the service: a method, a path below the repository, a body; returns what it answers."""

    def __call__(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Ask."""
        ...


def body(headlines: Sequence[str], summaries: Sequence[str], commit: str) -> str:
    """
    The comment as Markdown.

    Args:
        headlines: a line for each run, with its verdict.
        summaries: the whole summaries, in the same order.
        commit: that was judged, or "".
    """
    top = [MARKER, "### Runs" + (f" of {commit[:12]}" if commit else ""), ""]
    top += [f"- {line}" for line in headlines] or [combined_summary.NOTHING.strip()]
    if not summaries:
        return "\n".join(top) + "\n"
    opening, closing = "\n\n<details><summary>Everything that they say</summary>\n\n", "\n</details>\n"
    head = "\n".join(top).encode()[: LARGEST // 2].decode(errors="ignore")
    room = LARGEST - len((head + opening + closing).encode())
    return head + opening + combined_summary.joined(summaries, room) + closing


def of_runs(root: Path, commit: str = "") -> str:
    """The comment about the runs below a workspace's folder."""
    summaries = combined_summary.of_runs(root)
    lines = [text.partition("\n")[0].lstrip("# ") for text in summaries]
    return body(lines, summaries, commit)


def publish(api: Api, number: int, text: str) -> str:
    """
    Replace the comment on a pull request, or write the first one.

    Args:
        api: asks the service.
        number: of the pull request.
        text: from `body`.

    Returns:
        What was done, in words.

    Raises:
        InfrastructureError: the service refuses, or answers something else than comments.
    """
    found = _own(api, number)
    if found is None:
        api("POST", f"issues/{number}/comments", {"body": text})
        return f"wrote a comment on pull request {number}"
    api("PATCH", f"issues/comments/{found}", {"body": text})
    return f"replaced the comment on pull request {number}"


def _own(api: Api, number: int) -> int | None:
    """The id of the comment that an earlier push has left."""
    for page in range(1, PAGES + 1):
        comments = api("GET", f"issues/{number}/comments?per_page={PAGE}&page={page}")
        if not isinstance(comments, list):
            raise InfrastructureError(f"the service answered {str(comments)[:80]!r}, expected a list of comments")
        for comment in comments:
            mine = (comment.get("user") or {}).get("type") == "Bot"
            if mine and str(comment.get("body") or "").startswith(MARKER):
                return int(comment["id"])
        if len(comments) < PAGE:
            break
    return None


def service(environment: Mapping[str, str]) -> tuple[Api, int]:
    """
    Return a client of GitHub for the pull request that a job runs for, and its number.

    Args:
        environment: of the job.

    Raises:
        UsageError: a variable is missing, or the number is not one.
    """
    if missing := [name for name in VARIABLES if not environment.get(name)]:
        raise UsageError(
            f"{', '.join(missing)} not set; a job of GitHub sets them for `ci comment`; `ci comment --print` shows the "
            "comment and needs none"
        )
    number = environment["PULL_REQUEST"]
    if not number.isdigit():
        raise UsageError(f"PULL_REQUEST {number!r}; allowed: the number of a pull request")
    return github(environment), int(number)


def github(environment: Mapping[str, str]) -> Api:
    """
    Make the function that asks GitHub about a repository.

    Args:
        environment: of a job, with `GITHUB_REPOSITORY` and `GITHUB_TOKEN`.

    Raises:
        UsageError: its address is none of the web.
    """
    address = environment.get("GITHUB_API_URL", "https://api.github.com").rstrip("/")
    token = environment["GITHUB_TOKEN"]
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json"}
    return client(f"{address}/repos/{environment['GITHUB_REPOSITORY']}", headers)


def client(base: str, headers: Mapping[str, str]) -> Api:
    """
    Make the function that asks a service.

    Args:
        base: address that every path follows.
        headers: of every request, with the token.

    Raises:
        UsageError: the address is none of the web.
    """
    if not base.startswith(("https://", "http://127.0.0.1:")):
        raise UsageError(f"address of the service {base!r}; allowed: an address that begins with https://")

    def ask(method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        request = urllib.request.Request(  # noqa: S310  # the address is checked above
            f"{base}/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={**headers, "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            hint = "; its token may not do this: that of a fork writes nothing" if error.code in (401, 403) else ""
            with error:
                raise InfrastructureError(f"{method} {path}: the service answered {error.code}{hint}") from error
        except (urllib.error.URLError, TimeoutError, ValueError) as error:
            raise InfrastructureError(f"{method} {path}: no answer of the service ({error})") from error

    return ask
