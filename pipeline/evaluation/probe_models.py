"""Probes: simple models on frozen vectors, which show what information an embedding holds.

`linear`: StandardScaler, then multinomial logistic regression for labels or an elastic net (l1 share 0.9) for numbers,
both as for the sky embeddings. The strength of regularisation is chosen from STRENGTHS or ALPHAS, by folds of exposures
within the training set. An image with several labels teaches each of them with an equal share of its weight.

`attentive`: see `attentive_probe`. The tokens are the CCD vectors of an exposure, with their places on the focal plane.

Both can be asked per `ccd`, or per `exposure`, which needs only labels of whole exposures. A linear probe of an
exposure sees mean, standard deviation, minimum and maximum of each number over its CCDs.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNetCV, LogisticRegression

from triptych.pipeline import focal_plane
from triptych.pipeline.camera import camera as camera_named
from triptych.pipeline.errors import BadInput, choose
from triptych.pipeline.evaluation.probe_targets import Target
from triptych.pipeline.extras import need
from triptych.pipeline.image_ids import ccdnum_of
from triptych.pipeline.reasons import GOOD
from triptych.pipeline.vectors.rows import rows_of

KINDS = ("linear", "attentive")
LEVELS = ("ccd", "exposure")
REFERENCE_STRENGTH = 0.01
STRENGTHS = (0.01, 0.1, 1.0)  # C of the logistic regression
ALPHAS = (1e-4, 1e-3, 1e-2, 1e-1)
L1_SHARE = 0.9
INNER_FOLDS = 3
NEVER = -30.0  # score of a label that no image has taught


@dataclass(frozen=True)
class Probe:
    """A fitted probe, as arrays and plain values. Nothing needs pickling.

    labels : in the order of the outputs, () for a number. camera : whose focal plane the places are on. centre, scale,
    logarithm : a number (or its logarithm) is centre + scale * output. lowest, highest : limits of the answer, a tenth
    of the taught range beyond it on either side. weights : `matrix (dim, out), offset (out,)` of a linear probe, else
    those of `attentive_probe`. chosen : C or alpha, None for an attentive probe.
    """

    kind: str
    level: str
    labels: tuple[str, ...]
    camera: str
    weights: dict[str, np.ndarray]
    centre: float = 0.0
    scale: float = 1.0
    lowest: float = 0.0
    highest: float = 0.0
    logarithm: bool = False
    chosen: float | None = None

    def settings(self) -> dict:
        """Everything except the arrays, as plain values."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "weights"}


@dataclass(frozen=True)
class Tokens:
    """CCD vectors as one sequence per exposure.

    expnums : (n,). vectors : (n, t, dim) float32. mask : (n, t) bool. places : (n, t, 2), in CCD widths. rows : (n, t),
    the row in the keys of each token, -1 where there is none.
    """

    expnums: np.ndarray
    vectors: np.ndarray
    mask: np.ndarray
    places: np.ndarray
    rows: np.ndarray


def tokens_of(vectors: np.ndarray, keys: pd.DataFrame, camera: str) -> Tokens:
    """Group CCD vectors by exposure, padded to the longest. vectors : (n_images, dim) in the order of `keys`."""
    expnums, which = np.unique(keys.expnum.to_numpy(), return_inverse=True)
    order = np.argsort(which, kind="stable")
    first = np.searchsorted(which[order], np.arange(len(expnums)))
    place = np.arange(len(order)) - first[which[order]]
    rows = np.full((len(expnums), place.max(initial=-1) + 1), -1)
    rows[which[order], place] = order
    mask = rows >= 0
    centres = focal_plane.centres(camera_named(camera), ccdnum_of(keys.image_id).to_numpy())
    return Tokens(
        expnums,
        np.where(mask[..., None], np.asarray(vectors, np.float32)[rows], 0),
        mask,
        np.where(mask[..., None], centres[rows], 0),
        rows,
    )


def pooled(vectors: np.ndarray, keys: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Exposure numbers (n,) and their pooled vectors (n, 4 dim): mean, standard deviation, minimum, maximum."""
    frame = pd.DataFrame(np.asarray(vectors, float)).groupby(keys.expnum.to_numpy(), sort=True)
    parts = [frame.mean(), frame.std(ddof=0), frame.min(), frame.max()]
    return parts[0].index.to_numpy(), np.concatenate([part.to_numpy() for part in parts], axis=1)


def fit_probe(
    vectors: np.ndarray,
    keys: pd.DataFrame,
    target: Target,
    *,
    kind: str = "linear",
    level: str = "ccd",
    camera: str = "decam",
    strength: float | None = None,
    seed: int = 0,
) -> Probe:
    """Fit a probe to the images (or exposures) in a target's table.

    vectors : (n, dim) in the order of `keys` (`image_id, expnum, ccdname`, sorted by image_id), which may have more
    images than the target. strength : C (for a number: alpha) of a linear probe; None chooses it. BadInput if vectors
    hold NaN or infinity.
    """
    choose(kind, KINDS, "kind of probe")
    choose(level, LEVELS, "level of a probe")
    _check_finite(vectors)
    own = keys.expnum.isin(target.table.expnum).to_numpy()
    vectors, keys = vectors[own], keys[own].reset_index(drop=True)
    per_ccd = level == "ccd"
    values = target.table if per_ccd else target.exposures()
    outputs = target.outputs(values.value)
    number: dict[str, Any] = {}
    if target.goal == "number":
        centre, scale, beyond = float(outputs.mean()), float(outputs.std()) or 1.0, 0.1 * float(np.ptp(outputs))
        number = {"lowest": float(outputs.min()) - beyond, "highest": float(outputs.max()) + beyond}
        number |= {"centre": centre, "scale": scale, "logarithm": target.logarithm}
        outputs = (outputs - centre) / scale
    chosen = strength
    if kind == "linear":
        whole = None if per_ccd else pooled(vectors, keys)[1]
        seen = np.asarray(vectors, float)[rows_of(keys, values.image_id)] if per_ccd else whole
        fitter = _fit_labels if target.labels else _fit_number
        weights, chosen = fitter(seen, outputs, values.expnum.to_numpy(), strength, seed)
    else:
        weights, chosen = _fit_attentive(vectors, keys, values, outputs, target.goal, level, camera, seed), None
    return Probe(kind, level, target.labels, camera, weights, chosen=chosen, **number)


def check_installed(*kinds: str) -> None:
    """Raise NotInstalled, before anything is computed, if a kind of probe needs a package that is not installed."""
    if "attentive" in kinds:
        need("an attentive probe", "torch")


def ask_probe(probe: Probe, vectors: np.ndarray, keys: pd.DataFrame) -> pd.DataFrame:
    """Ask a probe about every image (or exposure) in `keys`.

    Returns `image_id, expnum, ccdname` (or `expnum`), then `reason, probability, p_good, p_<Reason>...` or `predicted`.
    """
    _check_finite(vectors)
    keys = keys[["image_id", "expnum", "ccdname"]].reset_index(drop=True)
    if probe.kind == "attentive":
        rows, outputs = _ask_attentive(probe, vectors, keys)
    else:
        rows, seen = keys, vectors
        if probe.level == "exposure":
            expnums, seen = pooled(vectors, keys)
            rows = pd.DataFrame({"expnum": expnums})
        outputs = np.asarray(seen, float) @ probe.weights["matrix"] + probe.weights["offset"]
        outputs = softmax(outputs, axis=1) if probe.labels else outputs
    if not probe.labels:
        numbers = np.clip(probe.centre + probe.scale * outputs[:, 0], probe.lowest, probe.highest)
        return rows.assign(predicted=10.0**numbers if probe.logarithm else numbers)
    return with_chances(rows, outputs, probe.labels)


def with_chances(rows: pd.DataFrame, chances: np.ndarray, labels: tuple[str, ...]) -> pd.DataFrame:
    """Add `reason, probability, p_good, p_<label>...`. chances : (n, n_labels) float64, probabilities."""
    best = chances.argmax(axis=1)
    table = rows.assign(reason=np.array(labels, dtype=object)[best], probability=chances[np.arange(len(chances)), best])
    table["p_good"] = chances[:, labels.index(GOOD)] if GOOD in labels else 0.0
    return table.assign(**{f"p_{label}": chances[:, k] for k, label in enumerate(labels) if label != GOOD})


def _check_finite(vectors: np.ndarray) -> None:
    bad = int((~np.isfinite(vectors).all(axis=1)).sum())
    if bad:
        raise BadInput(f"{bad} of {len(vectors)} vectors hold NaN or infinity; run `triptych embed` again")


def _inner_folds(outputs: np.ndarray, groups: np.ndarray, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """(teach, ask) rows of INNER_FOLDS folds of whole exposures, with similar outputs in each fold; [] if too few."""
    expnums = np.unique(groups)
    if len(expnums) < 2 * INNER_FOLDS:
        return []
    share = outputs.sum(axis=0)
    rarest = np.where(outputs > 0, share, np.inf).argmin(axis=1) if outputs.shape[1] > 1 else outputs[:, 0]
    kind = pd.Series(rarest).groupby(groups).max().to_numpy()
    order = np.lexsort((np.random.default_rng(seed).random(len(expnums)), kind))
    fold_of = dict(zip(expnums[order], np.arange(len(order)) % INNER_FOLDS, strict=True))
    fold = np.array([fold_of[group] for group in groups])
    return [(np.flatnonzero(fold != own), np.flatnonzero(fold == own)) for own in range(INNER_FOLDS)]


def _scaler(seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    spread = seen.std(axis=0)
    return seen.mean(axis=0), np.where(spread > 1e-12, spread, 1)


def _fit_labels(seen, outputs, groups, strength, seed) -> tuple[dict[str, np.ndarray], float]:
    if strength is None:
        found = dict.fromkeys(STRENGTHS, 0.0)
        folds = _inner_folds(outputs, groups, seed)
        for fit_rows, test_rows in folds:
            for c in STRENGTHS:
                # For choosing, single precision is enough, and several times faster.
                weights = _logistic(seen[fit_rows].astype(np.float32), outputs[fit_rows], c, tolerance=1e-3)
                found[c] += _log_chance(weights, seen[test_rows], outputs[test_rows])
        strength = max(found, key=found.__getitem__) if folds else REFERENCE_STRENGTH
    return _logistic(seen, outputs, strength), strength


def _logistic(seen: np.ndarray, outputs: np.ndarray, strength: float, tolerance: float = 1e-4) -> dict[str, np.ndarray]:
    """Weights of a multinomial logistic regression on standardised numbers. The standardisation is part of them."""
    mean, spread = _scaler(seen)
    row, label = np.nonzero(outputs)
    taught = np.unique(label)
    matrix, offset = np.zeros((seen.shape[1], outputs.shape[1])), np.full(outputs.shape[1], NEVER)
    offset[taught] = 0.0
    if len(taught) > 1:
        model = LogisticRegression(C=strength, max_iter=500, tol=tolerance)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(((seen - mean) / spread)[row], label, sample_weight=(1 / outputs.sum(axis=1))[row])
        # With two labels, scikit-learn keeps only the weights of the second.
        into = taught if len(taught) > 2 else taught[1:]
        matrix[:, into], offset[into] = model.coef_.T, model.intercept_
    matrix /= spread[:, None]
    return {"matrix": matrix, "offset": offset - mean @ matrix}


def _log_chance(weights: dict[str, np.ndarray], seen: np.ndarray, outputs: np.ndarray) -> float:
    """Mean logarithm of the probability given to the true labels. Probabilities below 1 in 1,000 count as that."""
    chances = softmax(seen @ weights["matrix"] + weights["offset"], axis=1)
    share = outputs / outputs.sum(axis=1, keepdims=True)
    return float((share * np.log(np.maximum(chances, 1e-3))).sum(axis=1).mean())


def _fit_number(seen, outputs, groups, strength, seed) -> tuple[dict[str, np.ndarray], float]:
    mean, spread = _scaler(seen)
    folds = _inner_folds(outputs, groups, seed)
    alphas = [strength] if strength is not None else ALPHAS if folds else [ALPHAS[-2]]
    everything = np.arange(len(seen))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = ElasticNetCV(
            l1_ratio=L1_SHARE, alphas=alphas, cv=folds or [(everything, everything)], max_iter=2000, tol=1e-3
        )
        model.fit((seen - mean) / spread, outputs[:, 0])
    matrix = (model.coef_ / spread)[:, None]
    return {"matrix": matrix, "offset": model.intercept_ - mean @ matrix}, float(model.alpha_)


def _fit_attentive(vectors, keys, values, outputs, goal, level, camera, seed) -> dict[str, np.ndarray]:
    check_installed("attentive")
    from triptych.pipeline.evaluation import attentive_probe

    tokens = tokens_of(vectors, keys, camera)
    targets, per = outputs, "sequence"
    if level == "ccd":
        of_row = np.full((len(keys) + 1, outputs.shape[1]), np.nan)
        of_row[rows_of(keys, values.image_id)] = outputs
        targets, per = of_row[tokens.rows], "token"
    fitted = attentive_probe.fit_attentive(
        tokens.vectors, tokens.mask, targets, places=tokens.places, goal=goal, per=per, seed=seed
    )
    return fitted.weights


def _ask_attentive(probe: Probe, vectors, keys) -> tuple[pd.DataFrame, np.ndarray]:
    from triptych.pipeline.evaluation import attentive_probe

    tokens = tokens_of(vectors, keys, probe.camera)
    per = "token" if probe.level == "ccd" else "sequence"
    model = attentive_probe.Attentive(probe.weights, "classes" if probe.labels else "number", per)
    outputs, _ = attentive_probe.apply_attentive(model, tokens.vectors, tokens.mask, places=tokens.places)
    if per == "sequence":
        return pd.DataFrame({"expnum": tokens.expnums}), outputs
    found = np.empty((len(keys), outputs.shape[2]))
    found[tokens.rows[tokens.mask]] = outputs[tokens.mask]
    return keys, found
