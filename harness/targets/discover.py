"""
Reads a checkout's source without running it: which commands it has, and which options they take.

Running an unknown checkout's code imports a framework, may take a minute and may write files; reading its syntax tree
does not. Options that are made in a loop cannot be seen this way: `harness target check` asks `--help` afterwards.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.targets.argv import Option

SKIPPED = frozenset(
    {"build", "dist", "node_modules", "archive", "notebooks", "tests", "test", "docs", "examples", "site-packages"}
)
STEMS = {"train": ("train", "training"), "infer": ("inference", "infer", "predict", "reconstruct")}
"""Names of the files that may hold a command, best first."""

DEEPEST = 4


@dataclass(frozen=True, kw_only=True)
class Script:
    """
    A file that may be run as a command.

    Attributes:
        path: relative to the checkout.
        step: `"train"` or `"infer"`.
        module: its dotted name, or "" if it lies in no package.
        options: its options.
        files: names of files that its text mentions.
        is_command: whether it parses arguments and runs as a program.
        framework: `"torch"`, `"tensorflow"`, or "" if it imports neither.
        draws: whether its pictures are figures of matplotlib.
        remark: what should be known of it; "" for nothing.
    """

    path: Path
    step: str
    module: str
    options: tuple[Option, ...]
    files: tuple[str, ...]
    is_command: bool
    framework: str
    draws: bool = False
    remark: str = ""


_BY_NAME = {"torch": "torch", "tensorflow": "tensorflow", "_tf": "tensorflow"}
_ENDINGS = (".npz", ".npy", ".png", ".zip", ".pt", ".pth", ".ckpt", ".h5", ".keras", ".safetensors", ".csv")
_NO_VALUE = ("store_true", "store_false", "store_const", "count", "help", "version")


def _constant(node: ast.expr | None) -> object:
    return node.value if isinstance(node, ast.Constant) else None


def _option(call: ast.Call) -> Option | None:
    texts = (value for value in map(_constant, call.args) if isinstance(value, str))
    given_names = tuple(texts)
    names = tuple(text for text in given_names if text.startswith("-")) or given_names[:1]
    if not names:
        return None
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    listed = given.get("choices")
    items = listed.elts if isinstance(listed, ast.List | ast.Tuple) else []
    action = given.get("action")
    boolean = isinstance(action, ast.Attribute | ast.Name) and "BooleanOptional" in ast.unparse(action)
    return Option(
        names=tuple(sorted(names, key=len, reverse=True)),
        required=_constant(given.get("required")) is True or _is_positional(names, given),
        takes_value=_constant(action) not in _NO_VALUE and not boolean,
        choices=tuple(str(value) for value in map(_constant, items) if value is not None),
    )


def _is_positional(names: tuple[str, ...], given: dict[str | None, ast.expr]) -> bool:
    """Whether it is an argument without a name, that must be there."""
    return not names[0].startswith("-") and _constant(given.get("nargs")) not in ("?", "*")


def draws_figures(tree: ast.AST) -> bool:
    """Whether it saves figures of matplotlib, which have axes and colour bars, or are resampled in any case."""
    return any(isinstance(node, ast.Attribute) and node.attr == "savefig" for node in ast.walk(tree))


def options(tree: ast.AST) -> tuple[Option, ...]:
    """Options of `add_argument` calls (argparse) and of `option` decorators (click), in order; deprecated ones last."""
    found: dict[str, Option] = {}
    old: list[Option] = []
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute))
    for call in sorted(calls, key=lambda node: node.lineno):
        if isinstance(call.func, ast.Attribute) and call.func.attr in ("add_argument", "option"):
            option = _option(call)
            if option is not None and _is_deprecated(call):
                old.append(option)
            elif option is not None:
                found.setdefault(option.name, option)
    return tuple((found | {option.name: option for option in old if option.name not in found}).values())


def _is_deprecated(call: ast.Call) -> bool:
    said = next((_constant(keyword.value) for keyword in call.keywords if keyword.arg == "help"), None)
    return isinstance(said, str) and "deprecated" in said.lower()


def framework_of(tree: ast.AST) -> str:
    """The framework that a file imports, `"torch"` or `"tensorflow"`, or ""."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    known = {"torch": "torch", "lightning": "torch", "tensorflow": "tensorflow", "keras": "tensorflow"}
    found = {known[name] for name in names if name in known}
    return found.pop() if len(found) == 1 else ""


def read(checkout: Path, path: Path, step: str) -> Script | None:
    """Read one file; None if it is not Python of this version."""
    try:
        tree = ast.parse((checkout / path).read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError):
        return None
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    files = dict.fromkeys(text for text in texts if text.endswith(_ENDINGS) and " " not in text and "*" not in text)
    guarded = any(isinstance(node, ast.If) and "__name__" in ast.unparse(node.test) for node in ast.walk(tree))
    parts = path.with_suffix("").parts
    packaged = len(parts) > 1 and (checkout / parts[0] / "__init__.py").is_file()
    return Script(
        path=path,
        step=step,
        module=".".join(parts) if packaged else "",
        options=options(tree),
        files=tuple(name.rpartition("/")[2] for name in files),
        is_command=guarded,
        draws=draws_figures(tree),
        framework=framework_of(tree) or next((name for key, name in _BY_NAME.items() if key in parts[0]), ""),
    )


def _walk(folder: Path, depth: int) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and depth and not entry.name.startswith((".", "_")) and entry.name not in SKIPPED:
            yield from _walk(entry, depth - 1)
        elif entry.suffix == ".py":
            yield entry


def scripts(checkout: Path) -> list[Script]:
    """Every file of a checkout that by its name may train or reconstruct, and that can be run."""
    steps = {stem: step for step, stems in STEMS.items() for stem in stems}
    found = [
        read(checkout, path.relative_to(checkout), steps[path.stem])
        for path in _walk(checkout, DEEPEST)
        if path.stem in steps
    ]
    return [script for script in found if script is not None and script.is_command]
