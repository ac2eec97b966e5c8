"""
A first target file for a checkout, from what its source says; `harness target check` tells what is left to do.

What was found is written as it is, what was guessed has a comment that says so, and what could not be found holds the
mark that a reader of target files refuses. Nothing is written to the checkout, and nothing of it is run but, where an
interpreter is given, the help of a command whose options cannot be read.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.files import schema_files
from harness.record.directory import RunRoot
from harness.system.signals import Interruption
from harness.targets import argv as target_argv
from harness.targets import discover, help_text
from harness.targets.argv import Option
from harness.targets.discover import Script
from harness.targets.schema import BLANK
from ptycho.errors import UsageError

MEANINGS = {
    "{train}": ("train_data_file", "train_data", "train_file", "train", "data_file", "data", "input", "ptycho_dir"),
    "{test}": ("test_data_file", "test_data", "test_file", "test", "val_data", "infer_data"),
    "{output}": ("output_dir", "output_path", "output", "out_dir", "outdir", "out", "save_dir", "o"),
    "{model}": ("model_path", "model_dir", "model", "checkpoint", "checkpoint_path", "ckpt", "weights", "load"),
    "{nepochs}": ("nepochs", "max_epochs", "epochs", "n_epochs", "num_epochs"),
    "{n_images}": ("n_images", "num_images", "n_groups", "nimages", "n_samples"),
    "{gridsize}": ("gridsize", "grid_size"),
    "{batch_size}": ("batch_size", "batchsize", "batch"),
    "{seed}": ("seed", "random_seed", "rng_seed"),
    "{device}": ("device", "accelerator", "torch_accelerator"),
}
"""What an option is taken to mean by its name. Read by both steps; inference reads `{test}` where it has only one."""

_QUIET = ("quiet", "silent", "no_progress")
_NO_TRACKING = ("disable_mlflow", "no_mlflow")
_REQUIREMENTS = ("requirements.lock", "requirements.txt", "requirements.in", "pyproject.toml")


@dataclass(frozen=True, kw_only=True)
class Draft:
    """
    A target file to be.

    Attributes:
        checkout: the folder.
        train: the command that trains.
        infer: the command that reconstructs.
        python: interpreter that has everything, or None for what the checkout's requirements say.
    """

    checkout: Path
    train: Script
    infer: Script
    python: str | None

    @property
    def name(self) -> str:
        """The target's name: the checkout's and that of its top folder."""
        return "-".join((self.checkout.name, self.train.path.parts[0])).lower().replace(" ", "-").replace("_", "-")

    @property
    def is_read(self) -> bool:
        """Whether the options of both commands are known."""
        return bool(self.train.options and self.infer.options)

    @property
    def text(self) -> str:
        """The file."""
        packages = sorted(path.parent.name for path in self.checkout.glob("ptycho*/__init__.py"))
        framework = self.train.framework or self.infer.framework or "unknown"
        schema = schema_files.path("target")
        # Editors read it; an installed harness comes without it.
        head = f"#:schema {schema.as_uri()}\n" if schema.is_file() else ""
        head += (
            f"# Written by `harness target init` from the source of {self.checkout.name}.\n"
            f"# Packages: {', '.join(packages) or 'none called ptycho*'}. "
            f"Next: python -m harness target check {self.name}.toml"
        )
        target = {"name": self.name, "framework": framework, "root": str(self.checkout)}
        parts = [
            head,
            "[target]\n" + "\n".join(f"{key} = {json.dumps(value)}" for key, value in target.items()),
            _install(self.checkout, self.python),
            _command(self.train),
            _command(self.infer),
            _reconstruction(self.infer),
            '[job]\nfixtures = ["small", "small_legacy"]  # the same data in both layouts\nn_images = 64\nnepochs = 10',
            _checks(self.train),
        ]
        return "\n\n".join(parts) + "\n"


def _plain(option: Option) -> str:
    return option.name.lstrip("-").replace("-", "_").lower()


def arguments(script: Script) -> tuple[list[list[str]], list[str]]:
    """
    Options of a command as an argument vector, one list a line, and what was left out.

    Returns:
        Groups of arguments, and names of required options whose meaning is not known, which the groups hold marked.
    """
    groups, unknown, used = [], [], set[str]()
    for option in script.options:
        meaning = next((text for text, names in MEANINGS.items() if _plain(option) in names), None)
        if meaning == "{train}" and script.step == "infer":
            meaning = "{test}"
        if meaning == "{seed}":
            continue
        if meaning is not None and meaning not in used and option.takes_value:
            used.add(meaning)
            groups.append([option.name, meaning])
        elif _plain(option) in (*_QUIET, *_NO_TRACKING) and not option.takes_value:
            groups.append([option.name])
        elif option.required:
            unknown.append(option.name)
            groups.append([option.name, f"{BLANK}: a value"] if option.takes_value else [option.name])
    if script.step == "infer" and "{test}" not in used:
        unknown.append("{test}")
    return groups, unknown


def _program(script: Script) -> list[str]:
    return ["{python}", "-m", script.module] if script.module else ["{python}", f"{{root}}/{script.path.as_posix()}"]


def _argv(script: Script) -> tuple[str, list[str]]:
    head = _program(script)
    groups, unknown = arguments(script)
    rows = [", ".join(json.dumps(word) for word in group) for group in (head, *groups)]
    notes = []
    if not script.options:
        notes.append("no option could be read from the source; run it with --help and write them here")
        rows.append(json.dumps(f"{BLANK}: the options, with {{train}}, {{test}}, {{output}}, {{model}}"))
    if unknown:
        notes.append(f"meaning not known, fill in: {', '.join(unknown)}")
    return "argv = [\n" + "".join(f"    {row},\n" for row in rows) + "]", notes


def _command(script: Script) -> str:
    argv, notes = _argv(script)
    lines = [f"[{script.step}]  # {script.path.as_posix()}", *(f"# {note}" for note in notes), argv]
    if script.files:
        lines.append(f"# files that its source names, by which to check it: {', '.join(script.files[:8])}")
    wanted = ("weights", "model", "wts") if script.step == "train" else ("recon", "amplitude", "phase")
    kept = [name for name in script.files if any(word in name.lower() for word in wanted) and "{" not in name]
    lines.append(f"artifacts = {json.dumps(kept[:4])}  # guessed: what it must leave in {{output}}")
    lines.append("timeout_s = 600")
    return "\n".join(lines)


def _reconstruction(script: Script) -> str:
    arrays = [name for name in script.files if name.endswith(".npz")]
    amplitude = next((name for name in script.files if name.endswith(".png") and "ampl" in name), None)
    phase = next((name for name in script.files if name.endswith(".png") and "phase" in name), None)
    lines = ["[reconstruction]"]
    if arrays:
        lines += [
            f"path = {json.dumps(arrays[0])}  # guessed from its source",
            'object = "object"  # its complex array',
        ]
        lines += [
            'overlap = ""  # name of its overlap count, if it has one',
            'crop = ""  # name of its place, likewise',
        ]
    elif amplitude and phase:
        lines.append("# Only pictures were found. A picture with axes or a colour bar cannot be read: then take this")
        lines.append('# table out and add [reconstruction.export] with a script that writes "reconstruction.npz".')
    else:
        lines.append(f'path = "{BLANK}: the NPZ file that it leaves"')
    lines.append("min_phase_correlation = 0.2  # of a short training; a flat object has 0")
    if amplitude and phase and not arrays:
        lines += [
            "",
            "[reconstruction.pictures]",
            f"amplitude = {json.dumps(amplitude)}",
            f"phase = {json.dumps(phase)}",
        ]
    return "\n".join(lines)


def _checks(train: Script) -> str:
    lines = ["[checks]"]
    seed = next((option for option in train.options if _plain(option) in MEANINGS["{seed}"]), None)
    lines.append(f'seed_flag = [{json.dumps(seed.name)}, "{{seed}}"]' if seed else "seed_flag = []  # it has none")
    lines.append('legacy_layout = true  # must it read the legacy transposed file, too? true, false or "refused"')
    tracking = next((option for option in train.options if _plain(option) in _NO_TRACKING), None)
    if tracking is not None:
        lines += ["", "[checks.mlflow]", "on = []", f"off = [{json.dumps(tracking.name)}]"]
    return "\n".join(lines)


def _install(checkout: Path, python: str | None) -> str:
    if python is not None:
        return f"[install]\npython = {json.dumps(str(Path(python).absolute()))}"
    there = [name for name in _REQUIREMENTS if (checkout / name).is_file()]
    if not there:
        return f'[install]\npython = "{BLANK}: an interpreter that has everything; no requirements were found"'
    key = f"lock = {json.dumps(there[0])}" if there[0].endswith(".lock") else f"requirements = [{json.dumps(there[0])}]"
    others = f"  # also there: {', '.join(there[1:])}" if there[1:] else ""
    return f"[install]\n{key}{others}"


def _pairs(found: Sequence[Script]) -> list[tuple[Script, Script]]:
    """Each training with the inference that lies nearest to it: same folder, then same framework."""
    trains = [script for script in found if script.step == "train"]
    infers = [script for script in found if script.step == "infer"]

    def far(train: Script, infer: Script) -> tuple[bool, bool, int, str]:
        same_top = train.path.parts[0] == infer.path.parts[0]
        return (train.path.parent != infer.path.parent, not same_top, len(infer.path.parts), str(infer.path))

    chosen = [(train, min(infers, key=lambda infer: far(train, infer))) for train in trains] if infers else []
    return [pair for pair in chosen if pair[0].path.parts[0] == pair[1].path.parts[0]]


def describe(checkout: Path, *, python: str | None) -> list[Draft]:
    """
    Write target files for what a checkout holds.

    Args:
        checkout: the folder.
        python: interpreter that has everything, or None for what its requirements say.

    Raises:
        UsageError: no such folder, or no training with an inference was found in it.
    """
    if not checkout.is_dir():
        raise UsageError(f"{checkout} is not a folder; give the checkout that the target file is for")
    place = checkout.resolve()
    found = discover.scripts(place)
    pairs = _pairs(found)
    if not pairs:
        seen = " and ".join(script.path.as_posix() for script in found)
        what = f"{seen} could not be paired: put them into one package folder" if seen else "no command was found"
        stems = ", ".join(f"{stem}.py" for stems in discover.STEMS.values() for stem in stems)
        raise UsageError(
            f"{checkout}: {what}; looked for {stems} with a __main__ guard. Or copy a file of "
            f"{Path(__file__).parent} and change it"
        )
    return [Draft(checkout=place, train=train, infer=infer, python=python) for train, infer in pairs]


def asked(draft: Draft, kept: RunRoot, interruption: Interruption) -> Draft:
    """
    A draft with the options that its commands' help names, where the source did not say them.

    Args:
        draft: with an interpreter.
        kept: the run that keeps the answers.
        interruption: asked while waiting.
    """
    scripts = []
    for script in (draft.train, draft.infer):
        if not script.options:
            values = {"python": draft.python, "root": draft.checkout}
            finished = help_text.ask(
                [word.format(**values) for word in _program(script)],
                f"{draft.name}-{script.step}",
                import_root=draft.checkout,
                variables={},
                kept=kept,
                interruption=interruption,
            )
            if finished.returncode == 0:
                text = finished.log.read_text(encoding="utf-8", errors="replace")
                script = replace(script, options=target_argv.described(text))
        scripts.append(script)
    train, infer = scripts
    return replace(draft, train=train, infer=infer)
