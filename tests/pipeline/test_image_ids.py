"""One number for an exposure's CCD, made and read."""

import numpy as np
import pandas as pd

from triptych.pipeline.image_ids import ccdnum_of, expnum_of, ids_of, image_id_of


def test_what_is_made_is_read_again():
    expnums, ccdnums = np.array([1, 900_000, 1_234_567_890]), np.array([1, 62, 99])
    ids = image_id_of(expnums, ccdnums)
    assert expnum_of(ids).tolist() == expnums.tolist()
    assert ccdnum_of(ids).tolist() == ccdnums.tolist()
    assert len(set(ids.tolist())) == 3


def test_the_browser_counts_the_same():
    """tests/js/basics/image_ids.test.js has the same numbers."""
    assert image_id_of(1_234_567, 62) == 123_456_762


def test_small_integers_do_not_overflow():
    table = pd.DataFrame({"expnum": np.array([900_000], "int64"), "ccdnum": np.array([62], "int8")})
    assert int(image_id_of(table.expnum, table.ccdnum)[0]) == image_id_of(900_000, 62)


def test_the_images_of_an_exposure_are_one_slice():
    ids = ids_of(7)
    assert {expnum_of(image_id) for image_id in ids} == {7}
    assert expnum_of(ids[0] - 1) == 6
    assert expnum_of(ids[-1] + 1) == 8
