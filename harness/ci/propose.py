"""
A change with upgraded locks and the table that says what they do to the figures; opened, and replaced a week later.

The job that installs and runs new packages may write nothing. What it leaves (`requirements/`, `runs/`) is read here
as text, in a job that runs none of it: the locks must be locks, and are all that the change touches. It is made through
the service's API, so that no checkout needs credentials.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.ci import combined_summary, pull_request
from harness.ci.pull_request import LARGEST, Api
from harness.files import untrusted
from harness.targets import locks
from ptycho.errors import InfrastructureError, UsageError

BRANCH = "upgrade-locks"
LARGEST_LOCK = 8 << 20
COMMIT_VARIABLES = {
    "github": ("GITHUB_REPOSITORY", "GITHUB_TOKEN", "GITHUB_SHA", "GITHUB_REF_NAME"),
    "gitlab": ("CI_API_V4_URL", "CI_PROJECT_ID", "UPGRADE_TOKEN", "CI_COMMIT_SHA", "CI_COMMIT_BRANCH"),
}
"""Variables of a job that opens a change, by service: place, token, commit and branch."""


@dataclass(frozen=True, kw_only=True)
class ProposedChange:
    """
    A change that is proposed.

    Attributes:
        title: one line.
        body: Markdown, with the table.
        files: new text by path below the checkout.
    """

    title: str
    body: str
    files: Mapping[str, str]


def collect(folder: Path, root: Path) -> ProposedChange | None:
    """
    The change that a comparison proposes; None where no lock differs from the checkout's.

    Args:
        folder: what the other job left: `requirements/` and `runs/`.
        root: the checkout.

    Raises:
        UsageError: a lock is missing there, or is none.
    """
    files, problems = dict[str, str](), list[str]()
    for group in locks.GROUPS:
        name = f"requirements/{group}.txt"
        if not (folder / name).is_file():
            problems.append(f"{folder / name} is missing; the comparison leaves all of requirements/")
            continue
        text = untrusted.read_bytes(folder / name, LARGEST_LOCK).decode("utf-8", errors="replace")
        problems += locks.faults(group, text)
        if text != (root / name).read_text(encoding="utf-8"):
            files[name] = text
    if problems:
        raise UsageError("\n".join(problems))
    if not files:
        return None
    summaries = combined_summary.of_runs(folder)
    first = summaries[-1].partition("\n")[0].lstrip("# ") if summaries else "not compared"
    text = combined_summary.joined(summaries, LARGEST)
    body = (
        "`nox -s lock -- --upgrade` proposes these pins. Below is what they, and the newest versions of the "
        f"frameworks, do to the figures (docs/drift.md).\n\n{text}"
    )
    return ProposedChange(title=f"Upgrade the locks ({_line(first)})", body=body, files=files)


def _line(text: str) -> str:
    """A headline as part of a title: letters, digits and plain signs, in one short line."""
    return re.sub(r"[^\w :.,()-]", " ", text)[:80].strip()


def publish(environment: Mapping[str, str], change: ProposedChange, service: str) -> str:
    """
    Open the change, or replace the one of last week.

    Args:
        environment: of the job.
        change: from `collect`.
        service: `github` or `gitlab`.

    Returns:
        What was done, in words.

    Raises:
        UsageError: a variable is missing.
        InfrastructureError: the service refuses.
    """
    names = COMMIT_VARIABLES[service]
    if missing := [name for name in names if not environment.get(name)]:
        raise UsageError(f"{', '.join(missing)} not set; docs/ci.md says which job sets them; `--print` needs none")
    if service == "github":
        _, _, commit, branch = (environment[name] for name in names)
        return to_github(pull_request.github(environment), change, commit, branch, environment["GITHUB_REPOSITORY"])
    address, project, token, commit, branch = (environment[name] for name in names)
    api = pull_request.client(f"{address}/projects/{project}", {"PRIVATE-TOKEN": token})
    return to_gitlab(api, change, commit, branch)


def to_github(api: Api, change: ProposedChange, commit: str, branch: str, repository: str) -> str:
    """Make a commit on top of another, point the branch at it, and open a pull request for it if there is none."""
    base = api("GET", f"git/commits/{commit}")["tree"]["sha"]
    entries = [{"path": p, "mode": "100644", "type": "blob", "content": content} for p, content in change.files.items()]
    tree = api("POST", "git/trees", {"base_tree": base, "tree": entries})["sha"]
    made = api("POST", "git/commits", {"message": change.title, "tree": tree, "parents": [commit]})["sha"]
    ref = f"refs/heads/{BRANCH}"
    if any(item["ref"] == ref for item in api("GET", f"git/matching-refs/heads/{BRANCH}")):
        api("PATCH", f"git/{ref}", {"sha": made, "force": True})
    else:
        api("POST", "git/refs", {"ref": ref, "sha": made})
    owner = repository.partition("/")[0]
    text = {"title": change.title, "body": change.body}
    if opened := api("GET", f"pulls?state=open&base={branch}&head={owner}:{BRANCH}"):
        api("PATCH", f"pulls/{opened[0]['number']}", text)
        return f"replaced pull request {opened[0]['number']}"
    number = api("POST", "pulls", {**text, "head": BRANCH, "base": branch})["number"]
    return f"opened pull request {number}"


def to_gitlab(api: Api, change: ProposedChange, commit: str, branch: str) -> str:
    """The same with GitLab: a commit that becomes the branch, and a merge request."""
    actions = [{"action": "update", "file_path": p, "content": content} for p, content in change.files.items()]
    commit_of = {"branch": BRANCH, "start_sha": commit, "force": True, "commit_message": change.title}
    api("POST", "repository/commits", {**commit_of, "actions": actions})
    text = {"title": change.title, "description": change.body}
    place = f"merge_requests?state=opened&source_branch={BRANCH}&target_branch={branch}"
    if opened := api("GET", place):
        api("PUT", f"merge_requests/{opened[0]['iid']}", text)
        return f"replaced merge request {opened[0]['iid']}"
    ends = {"source_branch": BRANCH, "target_branch": branch, "remove_source_branch": True}
    return f"opened merge request {api('POST', 'merge_requests', {**text, **ends})['iid']}"


def require_folder(folder: Path) -> None:
    """
    Refuse a folder that is not there.

    Raises:
        InfrastructureError: the comparison left nothing.
    """
    if not folder.is_dir():
        raise InfrastructureError(f"{folder} is missing: the comparison left nothing, and that is not a pass")
