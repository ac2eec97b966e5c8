"""
A first target file for a checkout, from what its source says; `harness target check` tells what is left to do.

What was found is written as it is, what was guessed has a comment that says so, and what could not be found holds the
mark that a reader of target files refuses. Nothing is written to the checkout, and nothing of it is run but, where an
interpreter is given, the help of a command whose options cannot be read.
"""

import json
import platform
import re
import shutil
import tomllib
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
_REQUIREMENTS = (
    *("requirements.lock", "requirements-ci.txt", "requirements_ci.txt"),
    *("requirements.txt", "requirements.in", "pyproject.toml"),
)
"""Where what it needs may be listed, best first: what its own tests are run with installs without a screen or a GPU."""
_NEEDED = {"train": ("{train}", "{output}"), "infer": ("{test}", "{model}", "{output}")}
"""Without these a command would read other data than it is given, or leave its results where nobody looks."""


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
        parts = (self.checkout.name, *self.train.path.parts[:-1][:1])
        return re.sub(r"[^a-z0-9-]+", "-", "-".join(parts).lower()).strip("-")

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
            f"Next: nox -s target -- check {self.name}.toml"
        )
        target = {"name": self.name, "framework": framework, "root": str(self.checkout)}
        parts = [
            head,
            "[target]\n" + "\n".join(f"{key} = {json.dumps(value)}" for key, value in target.items()),
            _install(self.checkout, self.python),
            _command(self.train),
            _command(self.infer),
            _reconstruction(self.infer, _words(self.infer)),
            '[job]\nfixtures = ["small", "small_legacy"]  # the same data in both layouts\nn_images = 64\nnepochs = 10',
            _checks(self.train),
        ]
        return "\n\n".join(parts) + "\n"


def _plain(option: Option) -> str:
    return option.name.lstrip("-").replace("-", "_").lower()


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """
    Options of a command as an argument vector.

    Attributes:
        groups: of words, a line each; what is not known is marked in them.
        unknown: what is marked: options that must be given, and placeholders that the command needs.
        left: options that are left at their defaults.
    """

    groups: tuple[tuple[str, ...], ...]
    unknown: tuple[str, ...]
    left: tuple[str, ...]


def arguments(script: Script) -> Arguments:
    """Options of a command as an argument vector; nothing that it needs is dropped."""
    groups, unknown, left, used = list[list[str]](), list[str](), list[str](), set[str]()
    for option in script.options:
        meaning = next((text for text, names in MEANINGS.items() if _plain(option) in names), None)
        if meaning == "{train}" and script.step == "infer":
            meaning = "{test}"
        if meaning == "{seed}":
            continue
        if meaning is not None and meaning not in used and option.takes_value:
            used.add(meaning)
            groups.append([option.name, meaning] if option.name.startswith("-") else [meaning])
        elif _plain(option) in (*_QUIET, *_NO_TRACKING) and not option.takes_value:
            groups.append([option.name])
        elif option.required:
            unknown.append(option.name)
            value = [f"{BLANK}: a value"] if option.takes_value else []
            groups.append([option.name, *value] if option.name.startswith("-") else value)
        else:
            left.append(option.name)
    for placeholder in _NEEDED[script.step] if script.options else ():
        if placeholder not in used:
            unknown.append(placeholder)
            groups.append([f"{BLANK}: the option that takes {placeholder[1:-1]}", placeholder])
    # Arguments without a name come behind the options: a subcommand would be taken for one before them.
    groups.sort(key=lambda group: not group[0].startswith("-"))
    return Arguments(groups=tuple(map(tuple, groups)), unknown=tuple(unknown), left=tuple(left))


def _words(script: Script) -> list[str]:
    return [*_program(script), *(word for group in arguments(script).groups for word in group)]


def _program(script: Script) -> list[str]:
    return ["{python}", "-m", script.module] if script.module else ["{python}", f"{{root}}/{script.path.as_posix()}"]


def _argv(script: Script) -> tuple[str, list[str]]:
    head = _program(script)
    made = arguments(script)
    rows = [", ".join(json.dumps(word) for word in group) for group in (head, *made.groups)]
    notes = [script.remark] if script.remark else []
    if not script.options:
        notes.append("no option could be read from the source; run it with --help and write them here")
        rows.append(json.dumps(f"{BLANK}: the options, with {{train}}, {{test}}, {{output}}, {{model}}"))
    if made.unknown:
        notes.append(f"meaning not known, fill in: {', '.join(made.unknown)}")
    if made.left:
        notes.append(f"left at their defaults: {', '.join(made.left)}")
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


def _reconstruction(script: Script, words: Sequence[str]) -> str:
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
    elif amplitude and phase and script.draws:
        lines += [
            "# Its pictures are figures of matplotlib, from which nothing can be computed. So inference runs once",
            "# more, and the arrays that it draws are kept as it hands them over.",
            'path = "reconstruction.npz"',
            'overlap = ""',
            'crop = ""',
        ]
    elif amplitude and phase:
        lines.append("# Only pictures were found. A picture with axes or a colour bar cannot be read: then take this")
        lines.append('# table out and add [reconstruction.export] with a script that writes "reconstruction.npz".')
    else:
        lines.append(f'path = "{BLANK}: the NPZ file that it leaves"')
    lines.append("min_phase_correlation = 0.2  # of a short training; a flat object has 0")
    if amplitude and phase and script.draws and not arrays:
        capture = ["{python}", "{kit}/capture_arrays.py", "{output}/reconstruction.npz", amplitude, phase]
        again = [*capture, *(word.replace("{output}", "{cache}/drawn") for word in words[1:])]
        listed = "".join(f"    {json.dumps(word)},\n" for word in again)
        lines += ["", "[reconstruction.export]", f"argv = [\n{listed}]", "timeout_s = 600"]
    elif amplitude and phase and not arrays:
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
    text = (checkout / there[0]).read_text(encoding="utf-8", errors="replace")
    build = '\ntorch_backend = "cpu"  # "auto": with CUDA, gigabytes' if re.search(r"(?m)^\W*torch\b", text) else ""
    return f"[install]\n{key}{others}{build}{_base(checkout)}"


def _base(checkout: Path) -> str:
    """The line that names an interpreter, where the checkout says which it needs and it is not the harness's own."""
    from packaging.specifiers import SpecifierSet  # matplotlib brings it; not needed for any other command

    try:
        project = tomllib.loads((checkout / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
        needed = SpecifierSet(str(project["requires-python"]))
    except (OSError, ValueError, KeyError, AttributeError):
        return ""
    if needed.contains(platform.python_version()):
        return ""
    known = [f"3.{minor}" for minor in range(20, 7, -1) if needed.contains(f"3.{minor}")]
    there = next((version for version in known if shutil.which(f"python{version}")), None)
    said = f"  # requires-python = {str(needed)!r}"
    return f'\nbase = "python{there}"{said}' if there else f'\nbase = "{BLANK}: an interpreter on PATH"{said}'


def _pairs(found: Sequence[Script]) -> list[tuple[Script, Script]]:
    """Each training with the inference that lies nearest to it: same folder, then same framework."""

    def top(script: Script) -> str:
        return script.path.parts[0] if len(script.path.parts) > 1 else ""

    trains = [script for script in found if script.step == "train"]
    infers = [script for script in found if script.step == "infer"]

    def far(train: Script, infer: Script) -> tuple[bool, bool, int, str]:
        same_top = top(train) == top(infer)
        return (train.path.parent != infer.path.parent, not same_top, len(infer.path.parts), str(infer.path))

    chosen = [(train, min(infers, key=lambda infer: far(train, infer))) for train in trains] if infers else []
    return [pair for pair in chosen if top(pair[0]) == top(pair[1])]


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
    A draft with the options that its commands' help names; those of the source are what is left where it says none.

    Args:
        draft: with an interpreter.
        kept: the run that keeps the answers.
        interruption: asked while waiting.
    """
    scripts = []
    for script in (draft.train, draft.infer):
        values = {"python": draft.python, "root": draft.checkout}
        finished = help_text.ask(
            [word.format(**values) for word in _program(script)],
            f"{draft.name}-{script.step}",
            import_root=draft.checkout,
            variables={},
            kept=kept,
            interruption=interruption,
        )
        text = finished.log.read_text(encoding="utf-8", errors="replace")
        offered = target_argv.described(text) if finished.returncode == 0 else ()
        if offered:
            scripts.append(replace(script, options=_merged(offered, script.options)))
        else:
            last = finished.tail(1).strip()
            remark = (
                f"--help ended with {finished.returncode}: {last}" if finished.returncode else "--help names no option"
            )
            scripts.append(replace(script, remark=remark.replace("\n", " ")))
    train, infer = scripts
    return replace(draft, train=train, infer=infer)


def _merged(offered: Sequence[Option], read: Sequence[Option]) -> tuple[Option, ...]:
    """Combine what a help offers with what the source says of required options and of arguments without a name."""
    required = {name for option in read if option.required for name in option.names}
    told = tuple(replace(option, required=option.required or bool(required & {*option.names})) for option in offered)
    return told + tuple(option for option in read if not option.name.startswith("-"))
