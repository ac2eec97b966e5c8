"""Lines of keys, through everything in TOML that could lead a line counter astray."""

import tomllib

import pytest

from harness.files.toml_lines import Lines

TEXT = """\
# [no.table]
top = 1
[target]
name = "a [b] = c"   # x = 1
"quoted key" = 2

[train]
argv = [
    "one", # two = 2
    "[three]", "four",
]
text = '''
[infer]
argv = 3
'''
other = "a \\" [ b"
[checks]
mlflow = { on = ["x"], off = [] }
deep.er = 1
[[checks.option]]
argv = ["--a"]
[[checks.option]]
argv = [
  "--b",
]
"""


def test_the_text_is_toml() -> None:
    assert sorted(tomllib.loads(TEXT)) == ["checks", "target", "top", "train"]


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        (("top",), "", 2),
        (("target",), "", 3),
        (("target", "name"), "", 4),
        (("target", "quoted key"), "", 5),
        (("train", "argv"), "", 8),
        (("train", "argv"), "four", 10),
        (("train", "argv"), "not there", 8),
        (("train", "text"), "", 12),
        (("train", "other"), "", 16),
        (("train", "absent"), "", 7),
        (("checks", "mlflow", "on"), "", 18),
        (("checks", "deep", "er"), "", 19),
        (("checks", "option", 0, "argv"), "", 21),
        (("checks", "option", 1), "", 22),
        (("checks", "option", 1, "argv"), "--b", 24),
        (("infer",), "", 25),
    ],
)
def test_every_key_has_its_line(path: tuple[str | int, ...], value: str, line: int) -> None:
    assert line == Lines(TEXT).of(path, value)


def test_an_empty_text_has_a_first_line() -> None:
    assert Lines("").of(("target",)) == 1
