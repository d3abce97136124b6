"""Whatever is done to a file, ingest raises nothing and takes the sound file beside it.

TRIPTYCH_DAMAGE sets the number of inputs; `python -m benchmarks.breaking.damage` makes thousands.
"""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.breaking.damage import KINDS, OPERATIONS, Trial, damaged, sound
from triptych.pipeline.pixels import compressed_tiles

EXAMPLES = int(os.environ.get("TRIPTYCH_DAMAGE", "60"))
SHARE = st.floats(0, 1, allow_nan=False, exclude_max=True)
OPERATION = st.tuples(st.sampled_from(OPERATIONS), SHARE, SHARE, st.integers(0, 2**32 - 1))


@pytest.fixture(scope="module")
def trial(tmp_path_factory) -> Iterator[Trial]:
    worth = compressed_tiles.WORTH_LOADING, compressed_tiles.WORTH_COMPILING
    yield Trial(tmp_path_factory.mktemp("damage"))
    compressed_tiles.WORTH_LOADING, compressed_tiles.WORTH_COMPILING = worth


@settings(max_examples=EXAMPLES, deadline=None, derandomize=EXAMPLES == 60, suppress_health_check=list(HealthCheck))
@given(kind=st.sampled_from(KINDS), operations=st.lists(OPERATION, min_size=1, max_size=3))
def test_nothing_is_raised_and_the_sound_file_is_there(trial, kind, operations):
    trial.ingest(kind, damaged(sound(kind), operations))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "tiles"])
def test_sound_files_are_ingested(trial, kind):
    assert trial.ingest(kind, sound(kind)) == "ingested"
