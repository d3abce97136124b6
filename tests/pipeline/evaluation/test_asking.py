"""The comparison of orders: how answers are counted, and that the loop asks only about allowed exposures."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.accuracy import asking
from triptych.pipeline.camera import DECAM
from triptych.pipeline.image_ids import image_id_of


def loops(**figures):
    rows = [
        {"method": name, "draw": 0, "exposures": 2 + place, "exposure_f1": value}
        for name, values in figures.items()
        for place, value in enumerate(values)
    ]
    return pd.DataFrame(rows)


def test_a_figure_counts_as_reached_from_where_it_stays():
    rows = loops(random=[0.2, 0.9, 0.5, 0.8, 0.9], gain=[0.2, 0.8, 0.8, 0.8, 0.8], score=[0.1, 0.2, 0.3, 0.4, 0.5])
    found = asking.needed(rows, "exposure_f1", 0.8).set_index("order")
    assert found.loc["random", "median"] == 5
    assert found.loc["gain", "median"] == 3
    assert found.loc["score", "missed"] == 1
    assert np.isinf(found.loc["score", "median"])


def test_orders_are_compared_with_chance_on_the_same_loop():
    found = asking.against_random(loops(random=[0.2, 0.4], gain=[0.4, 0.6]), "exposure_f1").set_index("order")
    assert found.loc["gain", "gained"] == pytest.approx(0.2)
    assert found.loc["gain", "better"] == found.loc["gain", "n"] == 1


def test_a_loop_asks_every_exposure_once_and_none_that_is_measured():
    rng = np.random.default_rng(0)
    ccds = [ccd.name for ccd in DECAM.ccds[:8]]
    keys = pd.DataFrame([(100 + place, name) for place in range(24) for name in ccds], columns=["expnum", "ccdname"])
    keys["image_id"] = image_id_of(keys.expnum, keys.ccdname.map({ccd.name: ccd.number for ccd in DECAM.ccds}))
    keys = keys.sort_values("image_id", ignore_index=True)
    bad = (keys.expnum % 2 == 0).to_numpy()
    vectors = (rng.normal(size=(len(keys), 6)) + 3 * bad[:, None]).astype(np.float32)
    table = pd.DataFrame({"reasons": [("PSF",) if hit else ("good",) for hit in bad]})
    held = np.arange(116, 124)
    world = asking.World.of(vectors, keys, table, held)
    for order in asking.ORDERS:
        rows = asking.loop(world, order, seed=1, start=4, step=4, most=99, classifier="knn")
        assert [row["exposures"] for row in rows] == [4, 8, 12, 16]
        assert rows[-1]["exposure_f1"] == 1
