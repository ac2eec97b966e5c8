"""Runs a backend's command lines as a user does: child processes in folders of their own, never in this process."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEVICE_VARIABLE, WORK_VARIABLE = "PTYCHO_HARNESS_DEVICE", "PTYCHO_HARNESS_WORK"
DEVICE = os.environ.get(DEVICE_VARIABLE, "cpu")
"""Where the suites compute: a lane says it, and without a lane it is the CPU."""

ROOT = Path(__file__).resolve().parents[2]

_KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "TF_CPP_MIN_LOG_LEVEL", "SYSTEMROOT")


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """
    The command lines of one backend.

    Attributes:
        backend: package, `"ptycho_torch"` or `"ptycho_tf"`.
        home: folder that holds the children's working directory, HOME and TMPDIR.
    """

    backend: str
    home: Path

    @property
    def places(self) -> dict[str, Path]:
        """The folders that a run must leave as it found them."""
        return {name: self.home / name for name in ("cwd", "HOME", "TMPDIR")}

    def environment(self) -> dict[str, str]:
        """Allow-listed: nothing that the developer has set can change a test."""
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        for place in self.places.values():
            place.mkdir(parents=True, exist_ok=True)
        caches = self.home / "cache"
        return {
            **({} if DEVICE == "cuda" else {"CUDA_VISIBLE_DEVICES": ""}),
            **kept,
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "MPLCONFIGDIR": os.environ.get("MPLCONFIGDIR", str(caches / "matplotlib")),
            "HOME": str(self.places["HOME"]),
            "TMPDIR": str(self.places["TMPDIR"]),
        }

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        """Start `python ARGUMENTS` and do not wait; its input is a pipe."""
        environment = self.environment()
        return subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            cwd=self.places["cwd"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run `python ARGUMENTS` to its end."""
        with self.start(*arguments) as process:
            stdout, stderr = process.communicate(timeout=300)
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def train_arguments(self, data: Path, output: Path, **options: object) -> list[object]:
        """Argument vector of a short, repeatable training; `flag=True` adds a bare flag, None leaves an option out."""
        settings: dict[str, object] = {
            "nepochs": 2,
            "n_images": 24,
            "batch_size": 4,
            "threads": 1,
            "device": DEVICE,
            "quiet": True,
            "disable_mlflow": True,
            **options,
        }
        return ["-m", f"{self.backend}.train", "--train_data_file", data, "--output_dir", output, *_options(settings)]

    def train(self, data: Path, output: Path, **options: object) -> dict[str, Any]:
        """Train, and return `summary.json`."""
        done = self.run(*self.train_arguments(data, output, **options))
        assert done.returncode == 0, done.stderr
        summary: dict[str, Any] = json.loads((output / "summary.json").read_text())
        if DEVICE == "cuda" and WORK_VARIABLE in os.environ:
            row = {"label": f"{self.backend} {output.name}", "evidence": summary["engine"].get("work")}
            with Path(os.environ[WORK_VARIABLE]).open("a") as file:
                file.write(json.dumps(row) + "\n")
        return summary

    def infer(self, model: Path, data: Path, output: Path, **options: object) -> None:
        """Reconstruct."""
        settings = {"threads": 1, "device": DEVICE, "quiet": True, **options}
        command = ["-m", f"{self.backend}.inference", "--model_path", model, "--test_data", data]
        done = self.run(*command, "--output_dir", output, *_options(settings))
        assert done.returncode == 0, done.stderr

    def leavings(self) -> list[str]:
        """Everything in the working directory, HOME and TMPDIR."""
        return sorted(str(path.relative_to(self.home)) for place in self.places.values() for path in place.rglob("*"))


def _options(settings: dict[str, object]) -> list[object]:
    words: list[object] = []
    for name, value in settings.items():
        if value is True:
            words.append(f"--{name}")
        elif value is not None and value is not False:
            words += [f"--{name}", value]
    return words
