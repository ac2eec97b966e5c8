"""
Chooses the build of torch for a target: the one that its file asks for; and looks at what was really installed.

The plain wheel of an index brings gigabytes of CUDA with it. A folder of wheels that has a CPU build does not help by
itself: where torch is not pinned, a newer version of the index wins. So the folder's version is made a constraint, and
afterwards the environment is asked, since the arguments of an installer are no evidence of what it did.

What is compiled against torch (torchvision, torchaudio) must be of the same build: beside a CPU torch, the plain wheel
of an index cannot be imported, and its error names an operator that does not exist.
"""

import json
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from ptycho.errors import InfrastructureError

ASK_S = 60.0
_WHEEL = re.compile(r"torch-(?P<version>\d+(?:\.\d+)*)\+cpu-(?P<python>cp\d+)-")
_ASK = """
import importlib.util, json, pathlib, runpy
spec = importlib.util.find_spec("torch")
said = {} if spec is None else runpy.run_path(str(pathlib.Path(spec.origin).with_name("version.py")))
print(json.dumps({name: said.get(name) for name in ("__version__", "cuda", "hip", "xpu")}))
"""
_ASK_COMPANIONS = """
import importlib.util, json, pathlib, re
found = {}
for name in ("torchvision", "torchaudio"):
    spec = importlib.util.find_spec(name)
    place = pathlib.Path(spec.origin).with_name("version.py") if spec is not None and spec.origin else None
    if place is not None and place.is_file():
        found[name] = re.search(r"__version__ *= *.([^'\\"]*)", place.read_text())
print(json.dumps({name: match[1] for name, match in found.items() if match}))
"""
# Read from the file that the build writes: to import torch takes seconds, and on a busy machine a minute.


def cpu_wheel(houses: Sequence[str], version: str) -> str | None:
    """
    The newest CPU build in folders of wheels, as a requirement; None where there is none.

    Args:
        houses: folders, or addresses, which are not looked into.
        version: of the interpreter, as `environment.ask_version` says it.
    """
    tag = "cp" + "".join(version.split()[-1].split(".")[:2])
    named = (path.name for house in houses for path in Path(house.removeprefix("file://")).glob("torch-*.whl"))
    found = [match["version"] for name in named if (match := _WHEEL.match(name)) and match["python"] == tag]
    newest = max(found, key=lambda text: [int(part) for part in text.split(".")], default=None)
    return None if newest is None else f"torch=={newest}+cpu"


def _answer(python: Path, question: str) -> dict[str, str | None]:
    try:
        done = subprocess.run(
            [str(python), "-I", "-c", question], capture_output=True, text=True, check=True, timeout=ASK_S
        )
        said: dict[str, str | None] = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        why = str(getattr(error, "stderr", None) or error).strip()
        raise InfrastructureError(f"{python} does not say which torch it has: {why}") from error
    return said


def other_builds(python: Path) -> str:
    """
    Name the packages that are compiled for another build of torch than the CPU's; empty where there are none.

    Args:
        python: an interpreter whose torch is the CPU build.

    Raises:
        InfrastructureError: it cannot be asked.
    """
    said = _answer(python, _ASK_COMPANIONS)
    named = [f"{name} {version}" for name, version in said.items() if version and re.search(r"\+(?!cpu)", version)]
    if not named:
        return ""
    return (
        f"{', '.join(named)}, which cannot be imported beside it: put the CPU wheel into a folder of PIP_FIND_LINKS, "
        "or take the package out if nothing imports it"
    )


def installed(python: Path) -> tuple[str, str] | None:
    """
    Version of torch in an environment, and what it computes on beside the CPU, "" for nothing; None without torch.

    Raises:
        InfrastructureError: it cannot be asked.
    """
    said = _answer(python, _ASK)
    if said["__version__"] is None:
        return None
    return str(said["__version__"]), ", ".join(f"{name} {said[name]}" for name in ("cuda", "hip", "xpu") if said[name])


def require_cpu(python: Path, file: Path) -> str:
    """
    Refuse an environment whose torch is another build than the CPU's.

    Args:
        python: the environment's interpreter.
        file: of the target, for the message.

    Returns:
        Which build it has, in words, and what does not fit it; empty without torch.

    Raises:
        InfrastructureError: naming the build, and what to write.
    """
    if (found := installed(python)) is None:
        return ""
    version, beside = found
    if beside:
        raise InfrastructureError(
            f'target {file}: torch_backend = "cpu" asks for the CPU build of torch, and torch {version} for {beside} '
            "was installed; install uv, or pin torch to a version whose CPU wheel lies in a folder of PIP_FIND_LINKS"
        )
    return f"torch {version}, CPU build" + (f"; warning: {other}" if (other := other_builds(python)) else "")
