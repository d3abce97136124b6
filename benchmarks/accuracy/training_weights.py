"""What the weights of labels are worth: votes of inspectors who err, models with and without weights, held-out F1.

    python -m benchmarks.accuracy.training_weights RUN... [--draws 4] [--error 0.12] [--bulk-error 0.2] [--ways ...]

RUN : embedded simulated surveys whose truth is imported (`triptych simulate`, `ingest`, `embed`, `labels import RUN
truth.csv`). In each draw half of the exposures of either kind are held out. Of the others 50 % are judged one by one,
by two of three inspectors or all three, each of them wrong with --error; 25 % only in bulk: five good or five bad ones
get one and the same judgement of two inspectors, wrong with --bulk-error; 20 % stand in a list alone, which is wrong
one time in ten; and 5 % a lead has decided, rightly. Who finds a bad exposure bad ticks its bad CCDs and names its
reason, another one time in ten; who finds a good one bad names some reason and ticks six CCDs.

The model fitted with weights is compared with that of all ones on the same labels, on the held-out exposures' truth.
Every difference is paired; the standard error is over surveys, whose draws are averaged first. No simulated teacher.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.classifier import candidates, train
from triptych.pipeline.classifier.metrics import rates
from triptych.pipeline.labels.training_set import TrainingSet, training_set
from triptych.pipeline.labels.training_weights import WEIGHTS
from triptych.pipeline.reasons import GOOD
from triptych.pipeline.store.store import LabelStore, Vote, open_store

INSPECTORS = ("amy", "ben", "cai")
SHARES = {"single": 0.50, "bulk": 0.25, "list": 0.20, "decision": 0.05}
PACK, TICKED, LIST_ERROR, WRONG_REASON = 5, 6, 0.10, 0.10
WAYS = ("all ones", "weights", "basis alone", "agreement alone")


class Truth:
    """A survey's truth: `bad` (expnum -> bool), `reason` (expnum -> name), `ccds` (expnum -> names of bad ones)."""

    def __init__(self, labels: pd.DataFrame):
        bad = labels[labels.reason != GOOD]
        self.bad = labels.assign(bad=labels.reason != GOOD).groupby("expnum").bad.any()
        self.reason = bad.groupby("expnum").reason.agg(lambda own: own.mode()[0]).to_dict()
        self.ccds = bad.groupby("expnum").ccdname.agg(lambda own: sorted(set(own))).to_dict()
        self.names = sorted(set(bad.reason))
        self.carried = labels.groupby(["expnum", "ccdname"]).reason.agg(tuple)

    def halves(self, rng) -> tuple[np.ndarray, np.ndarray]:
        """expnums that teach, and those that are held out: half of the good and half of the bad ones."""
        kinds = self.bad.index[self.bad], self.bad.index[~self.bad]
        held = np.concatenate([rng.permutation(own)[: len(own) // 2] for own in kinds])
        return np.setdiff1d(self.bad.index, held), held

    def seen(self, expnum: int, says_bad: bool, ccdnames: list[str], rng) -> tuple[tuple[str, ...], list[str]]:
        """The reason and the CCDs that somebody names who calls this exposure bad; nothing from who calls it good."""
        if not says_bad:
            return (), []
        if not self.bad[expnum]:
            first = rng.integers(len(ccdnames) - TICKED)
            return (str(rng.choice(self.names)),), ccdnames[first : first + TICKED]
        wrong = rng.random() < WRONG_REASON
        return (str(rng.choice(self.names)) if wrong else self.reason[expnum],), self.ccds[expnum]


def ballot(expnum: int, inspector: str, says_bad: bool, reasons=(), ticked=(), via="single") -> list[Vote]:
    """The votes of one inspector on one exposure: on all of it, and on each CCD that they tick."""
    own = {"expnum": int(expnum), "inspector": str(inspector), "judgement": "bad" if says_bad else "good"}
    own |= {"reasons": reasons, "via": via, "blind": via == "single"}
    return [Vote(**own), *(Vote(ccdname=name, **own) for name in ticked)]


def labelled(truth: Truth, taught, ccds, exposures, error: float, bulk_error: float, rng) -> TrainingSet:
    """What the labels of one draw teach."""
    drawn = rng.choice(list(SHARES), len(taught), p=list(SHARES.values()))
    names = {int(expnum): list(own) for expnum, own in ccds.groupby("expnum").ccdname}
    votes, listed = [], []
    with LabelStore("sqlite://") as store:
        for expnum in taught[drawn == "single"]:
            for name in rng.permutation(INSPECTORS)[: rng.choice([2, 3])]:
                says = bool(truth.bad[expnum]) ^ (rng.random() < error)
                votes += ballot(expnum, name, says, *truth.seen(expnum, says, names[expnum], rng))
        bulk = rng.permutation(taught[drawn == "bulk"])
        for kind in (True, False):
            own = [expnum for expnum in bulk if truth.bad[expnum] == kind]
            for start in range(0, len(own), PACK):
                says = kind ^ (rng.random() < bulk_error)
                reasons = (truth.reason.get(own[start]) or str(rng.choice(truth.names)),) if says else ()
                for expnum in own[start : start + PACK]:
                    votes += [
                        vote for name in INSPECTORS[:2] for vote in ballot(expnum, name, says, reasons, via="bulk")
                    ]
        for expnum in taught[drawn == "list"]:
            says = bool(truth.bad[expnum]) ^ (rng.random() < LIST_ERROR)
            reason = truth.reason.get(expnum) or str(rng.choice(truth.names))
            listed.append((expnum, "", reason if says else GOOD))
        for expnum in taught[drawn == "decision"]:
            reasons = (truth.reason[expnum],) if truth.bad[expnum] else ()
            judgement = "bad" if reasons else "good"
            store.adjudicate("decam", int(expnum), "lea", judgement, plver="", reasons=reasons, comment="seen")
        store.cast_many(votes)
        frame = pd.DataFrame(listed, columns=["expnum", "ccdname", "reason"])
        store.import_labels(frame.assign(camera="decam", raw=frame.reason), source="list", kind="bad_expid")
        return training_set(ccds, exposures, store.votes(), store.labels(), decisions=store.adjudications())


def weighed(training: TrainingSet, way: str) -> TrainingSet:
    """The same labels with their own weights, those of the basis or of the agreement alone, or all ones."""
    base = training.table.basis.map(WEIGHTS).astype(float)
    found = {"weights": training.table.weight, "basis alone": base, "agreement alone": training.table.weight / base}
    return replace(training, table=training.table.assign(weight=found.get(way, 1.0)))


def figures(truth: Truth, training: TrainingSet, stage, held, classifier: str, sampled) -> dict[str, float]:
    """F1 of bad exposures under the default rule, F1 of bad CCDs, share of bad CCDs with the right reason; held out."""
    vectors, keys = stage.array(), stage.table("keys")
    table, _ = train.embedded(training, keys)
    model = train.learn(vectors, keys, table, training.answers, classifier=classifier)
    own = np.flatnonzero(keys.expnum.isin(held))
    said = train.predict_images(model, np.asarray(vectors[own]), keys.iloc[own].reset_index(drop=True))
    scored = candidates.score(said, sampled, rule=candidates.DEFAULT)
    sent = scored.expnum.isin(candidates.chosen(scored).expnum).to_numpy()
    true = truth.carried.reindex(pd.MultiIndex.from_frame(said[["expnum", "ccdname"]]))
    said, true = said[true.notna().to_numpy()], true.dropna()
    is_bad = np.array([one != (GOOD,) for one in true])
    right = np.array([name in one for one, name in zip(true, said.reason, strict=True)])
    return {
        "exposure F1": rates(truth.bad.reindex(scored.expnum).to_numpy(bool), sent)["f1"],
        "CCD F1": rates(is_bad, (said.reason != GOOD).to_numpy())["f1"],
        "reasons right": float(right[is_bad].mean()),
    }


def report(rows: pd.DataFrame) -> None:
    """Print each figure's mean, and its paired difference to all ones with the standard error over surveys."""
    names = ["exposure F1", "CCD F1", "reasons right"]
    by_run = rows.groupby(["classifier", "way", "run"])[names].mean()
    for classifier, way in rows[["classifier", "way"]].drop_duplicates().itertuples(index=False):
        own, base = by_run.loc[(classifier, way)], by_run.loc[(classifier, WAYS[0])]
        texts = []
        for name in names:
            gained = own[name] - base[name]
            error = gained.std(ddof=1) / np.sqrt(len(gained)) if len(gained) > 1 else np.nan
            texts.append(f"{name} {own[name].mean():.3f} ({gained.mean():+.3f} +- {error:.3f})")
        print(f"{classifier}, {way}: {', '.join(texts)}")
    print(f"{rows.run.nunique()} surveys of {rows.draw.nunique()} draws; {rows.wrong.mean():.1%} of the answers wrong")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--draws", type=int, default=4)
    parser.add_argument("--error", type=float, default=0.12)
    parser.add_argument("--bulk-error", type=float, default=0.2)
    parser.add_argument("--classifiers", nargs="+", default=["mixed", "knn"])
    parser.add_argument("--ways", nargs="+", default=WAYS, choices=WAYS)
    asked = parser.parse_args()
    rows = []
    for run in asked.runs:
        catalog = Catalog.open(run)
        with open_store(catalog) as store:
            truth = Truth(store.labels())
        stage, sampled = catalog.stage("embedding"), candidates.sampled_images(catalog)
        exposures = catalog.exposures().assign(plver="")
        for draw in range(asked.draws):
            rng = np.random.default_rng(draw)
            taught, held = truth.halves(rng)
            training = labelled(truth, taught, catalog.ccds(), exposures, asked.error, asked.bulk_error, rng)
            wrong = np.mean([truth.bad[expnum] != bad for expnum, bad in training.answers.items()])
            for classifier in asked.classifiers:
                for way in dict.fromkeys([WAYS[0], *asked.ways]):
                    found = figures(truth, weighed(training, way), stage, held, classifier, sampled)
                    rows.append(
                        {"run": run.name, "draw": draw, "classifier": classifier, "way": way, "wrong": wrong, **found}
                    )
                    print(f"{run.name} {draw} {classifier} {way}: {found}", flush=True)
    report(pd.DataFrame(rows))


if __name__ == "__main__":
    main()
