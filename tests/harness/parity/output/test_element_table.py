"""The table of elements: aligned by party, with difference and ratio where there are numbers."""

from typing import Any

import pytest

from harness.parity.output.element_table import table


def element(name: str, **values: str) -> dict[str, Any]:
    return {"index": (0,), "name": name, "values": values}


def test_numbers_have_a_difference_and_a_ratio_of_the_guilty_side() -> None:
    rows = table([element("mae", torch="2", tf="8192", oracle="2")], ["tf"])
    assert rows == [
        ("element", "torch", "tf", "oracle", "tf − oracle", "tf / oracle"),
        ("mae", "2", "8192", "2", "8190", "4096 = 64²"),
    ]


def test_as_many_digits_as_it_takes_to_see_a_difference() -> None:
    (_, row) = table([element("nll", torch="1.0000000001", tf="1", oracle="1")], ["torch"])
    assert row[1] == "1.0000000001"
    assert row[4] == "1e-10"


def test_complex_values_have_a_complex_difference() -> None:
    (_, row) = table([element("a", torch="1-2j", oracle="1+2j")], ["torch"])
    assert row[1:4] == ("1-2j", "1+2j", "0-4j")
    assert row[4] == "1 at -2.21 rad"


@pytest.mark.parametrize("value", ["nan", "inf", "nan+nanj"])
def test_what_is_no_number_has_no_difference(value: str) -> None:
    (_, row) = table([element("a", torch=value, oracle="1")], ["torch"])
    assert row[3:] == ("not finite", "–")


def test_words_have_no_difference() -> None:
    assert table([element("a", torch="'one'", oracle="'half'")], ["torch"]) == [
        ("element", "torch", "oracle"),
        ("a", "'one'", "'half'"),
    ]


def test_what_is_not_there_makes_no_table() -> None:
    assert table([]) == []
    assert table([{"index": 3}]) == []


def test_an_element_without_a_name_is_its_index() -> None:
    assert table([{"index": [1, 2], "values": {"torch": "1", "oracle": "0"}}])[1][0] == "[1, 2]"
