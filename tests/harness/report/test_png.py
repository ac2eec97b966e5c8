"""Pictures with a palette, read back by somebody else's decoder."""

import base64
import io

import numpy as np
import pytest

from harness.report import png


def decoded(data: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    from matplotlib import image

    return np.asarray(image.imread(io.BytesIO(data), format="png"))


def test_values_become_colours_and_what_is_not_finite_transparent() -> None:
    given = np.array([[0.0, 0.5, 1.0], [-9.0, 9.0, np.nan]])
    shown = decoded(png.encode(given, (0.0, 1.0), "grey"))
    assert (2, 3, 4) == shown.shape
    np.testing.assert_allclose(shown[..., 0], [[0, 0.5, 1], [0, 1, 0.5]], atol=0.003)
    np.testing.assert_array_equal(shown[..., 3], [[1, 1, 1], [1, 1, 0]])


@pytest.mark.parametrize(("ours", "theirs"), [("grey", "gray"), ("viridis", "viridis"), ("diverging", "RdBu_r")])
def test_the_colour_maps_are_those_that_they_are_called(ours: str, theirs: str) -> None:
    from matplotlib import colormaps

    wanted = colormaps[theirs](np.linspace(0, 1, 255))[:, :3]
    found = np.frombuffer(png.palette(ours), np.uint8).reshape(-1, 3)[:-1] / 255
    assert float(np.abs(found - wanted).max()) < 0.025


def test_a_constant_image_has_a_colour_too() -> None:
    assert 0.0 == decoded(png.encode(np.full((2, 2), 3.0), (3.0, 3.0), "grey"))[0, 0, 0]


def test_a_picture_is_a_data_uri() -> None:
    head, _, data = png.bar("viridis").partition(",")
    assert "data:image/png;base64" == head
    assert (1, 255, 4) == decoded(base64.b64decode(data)).shape
