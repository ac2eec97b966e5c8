"""
Chooses the build of torch for a target: the one that its file asks for; and looks at what was really installed.

The plain wheel of an index brings gigabytes of CUDA with it. A folder of wheels that has a CPU build does not help by
itself: where torch is not pinned, a newer version of the index wins. So the folder's version is made a constraint, and
afterwards the environment is asked, since the arguments of an installer are no evidence of what it did.
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


def installed(python: Path) -> tuple[str, str] | None:
    """
    Version of torch in an environment, and what it computes on beside the CPU, "" for nothing; None without torch.

    Raises:
        InfrastructureError: it cannot be asked.
    """
    try:
        done = subprocess.run(
            [str(python), "-I", "-c", _ASK], capture_output=True, text=True, check=True, timeout=ASK_S
        )
        said = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        why = str(getattr(error, "stderr", None) or error).strip()
        raise InfrastructureError(f"{python} does not say which torch it has: {why}") from error
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
        Which build it has, in words; empty without torch.

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
    return f"torch {version}, CPU build"
