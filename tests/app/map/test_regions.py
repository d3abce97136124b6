"""Selections as text: what is written is read back, and a point is inside by the even-odd rule, in 2-D and in 3-D."""

import numpy as np
import pytest

from triptych.app.map import regions
from triptych.app.map.points import HALF_RANGE, NOWHERE, MapTable
from triptych.pipeline.errors import BadInput
from triptych.pipeline.image_ids import image_id_of

UNIT = 2**10


def table_of(places, dims):
    n = len(places)
    return MapTable(image_id_of(np.arange(n), 7), {dims: places}, {dims: [1.0] * dims}, "v")


def step_text(outline, *, op="r", dims=2, rotation="", more=""):
    corners = np.rint(np.asarray(outline) * UNIT).astype(np.int64)
    deltas = np.diff(corners, axis=0, prepend=np.zeros((1, 2), np.int64))
    return f"{op}.{dims}.10.{regions.packed(deltas.ravel())}{rotation}{more}"


def taken(text, table, chosen=None, codes_of=None):
    before = np.zeros(len(table), bool) if chosen is None else chosen
    return regions.resolve(regions.parse(text), table, before, codes_of)


def grid():
    """(441, 2) uint16 on a grid from -1 to 1, and the same as floats."""
    axis = np.linspace(0, 2 * HALF_RANGE, 21).astype("<u2")
    places = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    return places, places / HALF_RANGE - 1


C_SHAPE = [
    (-0.83, -0.83), (0.83, -0.83), (0.83, -0.33), (-0.33, -0.33),
    (-0.33, 0.33), (0.83, 0.33), (0.83, 0.83), (-0.83, 0.83),
]  # fmt: skip


def in_c_shape(x, y):
    whole = (abs(x) < 0.83) & (abs(y) < 0.83)
    return whole & ~((x > -0.33) & (abs(y) < 0.33))


def test_a_c_shaped_outline_does_not_take_what_lies_in_its_mouth():
    places, (x, y) = grid()[0], grid()[1].T
    assert np.array_equal(taken(step_text(C_SHAPE), table_of(places, 2)), in_c_shape(x, y))


def test_numbers_are_read_back_as_they_were_written():
    values = [0, -1, 1, 63, -64, 64, 10**9, -(10**12), 2**53]
    assert regions.integers(regions.packed(values)).tolist() == values


def test_single_images_keep_their_order_and_too_many_have_no_text():
    ids = np.array([90000304, 90000101, 90000961])
    (step,) = regions.parse(regions.text_of_images(ids))
    assert step.image_ids.tolist() == ids.tolist()
    assert regions.text_of_images(np.arange(regions.MOST_IDS + 1)) == ""
    assert regions.text_of_images(np.empty(0, np.int64)) == ""


def test_steps_add_and_take_away():
    places, (x, y) = grid()[0], grid()[1].T
    table = table_of(places, 2)
    square = [(-0.52, -0.52), (0.52, -0.52), (0.52, 0.52), (-0.52, 0.52)]
    left = [(-1.2, -1.2), (0.04, -1.2), (0.04, 1.2), (-1.2, 1.2)]
    both = "~".join([step_text(square), step_text(left, op="s")])
    assert np.array_equal(taken(both, table), (abs(x) < 0.52) & (abs(y) < 0.52) & (x > 0.04))
    before = x > 0.9
    assert np.array_equal(taken(step_text(square, op="a"), table, before), before | (abs(x) < 0.52) & (abs(y) < 0.52))


def test_a_step_may_be_restricted_to_classes():
    places = grid()[0]
    codes = (np.arange(len(places)) % 3).astype(np.uint8)
    entries = [{"label": "a.b|c", "first": 1, "last": 1}, {"label": "other", "first": 0, "last": 0}]
    whole = [(-2, -2), (2, -2), (2, 2), (-2, 2)]
    text = step_text(whole, more=regions.filter_text("reason", ["a.b|c"]))
    assert np.array_equal(taken(text, table_of(places, 2), codes_of=lambda name: (codes, entries)), codes == 1)


def test_on_the_solid_map_it_takes_the_column_behind_the_outline_as_seen():
    rng = np.random.default_rng(1)
    places = rng.integers(6500, 58500, (4000, 3)).astype("<u2")
    places[5] = NOWHERE
    angle = 0.7
    rotation = np.array([np.cos(angle), 0, -np.sin(angle), 0, 1, 0, np.sin(angle), 0, np.cos(angle)])
    sent = np.rint(rotation * regions.ROTATION_UNIT).astype("<i2")
    import base64

    field = "." + base64.urlsafe_b64encode(sent.tobytes()).decode().rstrip("=")
    found = taken(step_text(C_SHAPE, dims=3, rotation=field), table_of(places, 3))
    q = (places / HALF_RANGE - 1) @ (sent / regions.ROTATION_UNIT).reshape(3, 3)
    nearness = regions.EYE / (regions.EYE - q[:, 2])
    x, y = q[:, 0] * nearness, q[:, 1] * nearness
    away = np.minimum.reduce([abs(abs(v) - edge) for v in (x, y) for edge in (0.83, 0.33)]) > 0.002
    expected = in_c_shape(x, y)
    expected[5] = False
    assert 500 < found.sum() < 3500
    assert np.array_equal(found[away], expected[away])


@pytest.mark.parametrize(
    "text",
    ["", "zebra", "r.2", "r.2.10.AA", "r.4.10.AAAAAAAA", "r.2.99.AAAAAAAA", "r.i.gA", "x.i.AA", "r.3.5.AgICAgIC"],
)
def test_what_is_no_selection_is_refused_with_what_to_do(text):
    with pytest.raises(BadInput, match="lasso the points again"):
        regions.parse(text)


def test_a_text_that_is_too_long_is_refused_and_never_made():
    with pytest.raises(BadInput, match="too long"):
        regions.parse("r.i." + "A" * regions.LONGEST)
    assert regions.joined("r.i." + "A" * (regions.LONGEST - 10), "a.i.AAAAAAAA") == ""
    assert regions.joined("r.i.AA", "a.i.BB") == "r.i.AA~a.i.BB"
    assert regions.joined("r.i.AA", "r.i.BB") == "r.i.BB"
