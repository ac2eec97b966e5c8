"""Elements that differ, the worst first, by name; where they lie; how figures are written."""

import math

import numpy as np
import pytest

from harness.parity.compare.axes import axes, label
from harness.parity.compare.comparison import distance, judge, judge_exact
from harness.parity.compare.elements import apart, extent, gap
from harness.parity.compare.number_format import readable
from harness.parity.output.code_places import rows

TRUE = np.random.default_rng(3).normal(size=(2, 3, 8, 8))


def test_only_elements_that_differ_are_listed_the_worst_first() -> None:
    wrong = TRUE.copy()
    wrong[0, 1, 2, 3] += 1
    wrong[1, 2, 7, 0] -= 5
    found = judge("R4/amplitude", {"torch": wrong, "tf": TRUE}, TRUE, 1e-11)
    assert [element.index for element in found.worst] == [(1, 2, 7, 0), (0, 1, 2, 3)]
    assert found.worst[0].name == "group 1, channel 2, row 7, column 0"
    assert found.differing == 2


def test_rounding_of_the_others_is_not_listed() -> None:
    wrong = TRUE * (1 + 1e-15)
    wrong[0, 1, 2, 3] += 1
    found = judge("R4/amplitude", {"torch": wrong, "tf": TRUE}, TRUE, 1e-11)
    assert ([element.index for element in found.worst], found.differing) == ([(0, 1, 2, 3)], 1)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_no_number_comes_first_and_equal_ones_are_not_listed(bad: float) -> None:
    expected = TRUE.copy()
    expected[0, 0, 0, 0] = bad
    wrong = expected.copy()
    wrong[1, 1, 1, 1] = 1e9
    wrong[1, 1, 1, 2] = bad
    found = judge("R4/amplitude", {"torch": wrong, "tf": expected}, expected, 1e-11)
    assert [element.index for element in found.worst] == [(1, 1, 1, 2), (1, 1, 1, 1)]


def test_gaps_of_complex_values_and_of_nan() -> None:
    actual = np.array([1 + 1j, math.nan, math.inf, 2.0, math.inf])
    expected = np.array([1 - 1j, math.nan, math.inf, math.nan, -math.inf])
    assert gap(actual, expected).tolist() == [2.0, 0.0, 0.0, math.inf, math.inf]
    assert gap(np.array([True, False]), np.array([True, True])).tolist() == [0.0, 1.0]
    assert gap(np.array([3, 1]), np.array([5, 1])).tolist() == [2.0, 0.0]


def test_where_d_is_beyond_the_tolerance_an_element_is() -> None:
    rng = np.random.default_rng(4)
    for _ in range(50):
        expected = rng.normal(size=20)
        actual = expected + 1e-6 * rng.normal(size=20)
        size = distance(actual, expected)
        assert apart(gap(actual, expected), expected, size * (1 - 1e-9)).any()


def test_all_that_differ_of_a_short_vector_are_listed_by_name() -> None:
    true = np.arange(1.0, 6.0)
    found = judge("R2/terms", {"torch": true * 2, "tf": true}, true, 1e-12)
    assert [element.name for element in found.worst] == ["deviance", "total", "variation", "mae", "nll"]


def test_entries_of_a_list_that_differ_are_listed() -> None:
    found = judge_exact(
        "R0/parameter.a",
        {"torch": [[1], "f", True], "tf": [[1], "f", False]},
        {side: [[1], "f", True] for side in ("torch", "tf")},
    )
    assert [(element.name, element.values["tf"]) for element in found.worst] == [("trained", "False")]
    assert judge_exact("R0/a", {"torch": [1], "tf": [1, 2]}, {"torch": [1], "tf": [1]}).worst == ()


@pytest.mark.parametrize(
    ("tensor", "index", "said"),
    [
        ("R2/terms", (1,), "mae"),
        ("R8/losses", (0,), "step 1"),
        ("R8/workflow.train_loss", (1,), "epoch 2"),
        ("R8/workflow.crop", (2,), "left"),
        ("R7/schedule.plateau.flat.0.001", (3,), "loss 3"),
        ("R6/encoder.0.0.weight", (1, 0, 2, 2), "output 1, input 0, kernel row 2, kernel column 2"),
        ("R6/encoder.0.0.bias", (1,), "output 1"),
        ("R4/exit_wave", (0, 1, 0, 5, 6), "group 0, channel 1, mode 0, row 5, column 6"),
        ("R4/canvas", (0, 5, 6), "group 0, row 5, column 6"),
        ("R5/plain.nll", (), "plain.nll"),
        ("R2b/rectify", (3,), "element 3"),
    ],
)
def test_elements_have_names(tensor: str, index: tuple[int, ...], said: str) -> None:
    assert label(tensor, index) == said


def test_axes_have_a_name_each_whatever_their_number() -> None:
    for row in rows():
        for count in range(7):
            assert len(axes(row.pattern, count)) == count


def test_an_extent_says_only_what_is_not_everywhere() -> None:
    wrong = np.zeros((2, 4, 8, 8), bool)
    wrong[:, 2] = True
    assert extent("R4/amplitude", wrong) == "channel 2"
    wrong[:, 0] = True
    assert extent("R4/amplitude", wrong) == "channels 0, 2"
    wrong[:] = True
    assert extent("R4/amplitude", wrong) == ""
    wrong[:] = False
    assert extent("R4/amplitude", wrong) == ""
    wrong[..., ::2] = True
    assert extent("R4/amplitude", wrong) == "columns 0, 2, 4, 6"


def test_regions_of_an_image_have_names() -> None:
    wrong = np.zeros((2, 4, 16, 16), bool)
    wrong[:, 1, 4:12, 4:12] = True
    assert extent("R4/amplitude", wrong) == "channel 1, the central square"
    frame = np.ones_like(wrong)
    frame[..., 4:12, 4:12] = False
    assert extent("R4/amplitude", frame) == "the frame"
    rim = np.ones_like(wrong)
    rim[..., 1:-1, 1:-1] = False
    assert extent("R4/amplitude", rim) == "the outermost pixels"
    single = np.zeros_like(wrong)
    single[0, 0, 6, 7] = True
    assert extent("R4/amplitude", single) == "group 0, channel 0, row 6, column 7"


@pytest.mark.parametrize(
    ("value", "said"),
    [(1.234e-3, "1.2e-3"), (0.5, "0.5"), (32.0, "32"), (1e-11, "1e-11"), (4.24e13, "4.2e13"), (0.0, "0")],
)
def test_figures_are_written_as_people_write_them(value: float, said: str) -> None:
    assert readable(value) == said


def test_a_figure_that_is_no_number_is_a_word() -> None:
    assert (readable(math.inf), readable(1234.0)) == ("infinite", "1234")
