"""Cast one vote after another until this program is killed. Print the number of each vote that is stored."""

import sys

from triptych.pipeline.store.store import LabelStore, Vote


def main() -> None:
    store = LabelStore(sys.argv[1])
    for number in range(1_000_000):
        vote = store.cast(Vote(expnum=number % 50, inspector="amy", judgement="bad"))
        print(vote.vote_id, flush=True)
