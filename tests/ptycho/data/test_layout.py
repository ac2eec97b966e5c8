"""Layout, domain and sizes follow from headers alone."""

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from ptycho.data import layout as file_layout
from ptycho.data.layout import FileLayout
from ptycho.data.npy_header import Member


def _member(key: str, shape: tuple[int, ...], dtype: str = "<f4") -> Member:
    return Member(
        key=key,
        filename=f"{key}.npy",
        shape=shape,
        dtype=np.dtype(dtype),
        fortran_order=False,
        offset=128,
        nbytes=0,
        stored=0,
    )


def _table(frames: tuple[int, ...], m: int, n: int) -> dict[str, Member]:
    listed = (
        _member("diff3d", frames),
        _member("probeGuess", (n, n), "<c8"),
        _member("xcoords", (m,), "<f8"),
        _member("ycoords", (m,), "<f8"),
    )
    return {member.key: member for member in listed}


@given(m=st.integers(1, 5000), n=st.sampled_from([64, 128, 256]))
def test_the_coordinates_decide_the_layout(m: int, n: int) -> None:
    assume(m != n)
    for layout, shape in (("canonical", (m, n, n)), ("legacy", (n, n, m))):
        expected = FileLayout(layout=layout, measurement_domain="amplitude", declared=False, n_patterns=m, side=n)
        assert file_layout.decide(_table(shape, m, n), {}) == (expected, [])


@given(n=st.sampled_from([64, 128, 256]))
def test_a_cube_is_never_guessed(n: int) -> None:
    found, violations = file_layout.decide(_table((n, n, n), n, n), {})
    assert found is None
    assert ["ambiguous layout" in violation for violation in violations] == [True]
    for layout in ("canonical", "legacy"):
        by_argument, _ = file_layout.decide(_table((n, n, n), n, n), {}, layout=layout)
        by_metadata, _ = file_layout.decide(_table((n, n, n), n, n), {"layout": layout})
        assert by_argument == by_metadata
        assert by_argument is not None
        assert by_argument.layout == layout


def test_unknown_words_are_refused_by_name() -> None:
    table = _table((5, 64, 64), 5, 64)
    assert file_layout.decide(table, {}, layout="fortran")[1] == [
        "layout = 'fortran' (argument); allowed: canonical, legacy"
    ]
    assert file_layout.decide(table, {"measurement_domain": 3})[1] == [
        "measurement_domain = 3 (_metadata); allowed: amplitude, counts"
    ]


def test_frames_that_are_not_square() -> None:
    found, violations = file_layout.decide(_table((5, 64, 128), 5, 64), {})
    assert found is None
    assert ["5 frames of 64×128" in violation for violation in violations] == [True]
