"""Attentive probe: what can be read from a set of frozen tokens when the probe may choose where to look.

Attention pooling with one learned query and a linear head, the encoder left as it is (Bardes et al. 2024, V-JEPA; with
two heads as in the sky embeddings it is taken from). Tokens may be the CCD vectors of an exposure, with their places on
the focal plane, or the patch tokens of a transformer; nothing here knows which.

Asked per `sequence`, the learned query looks at all tokens and the head answers once. Asked per `token`, each token's
own query looks at all of them, and the head sees the token beside what was pooled, so that the answer can depend on
what lies around it.

A fit is several members, each stopped early on another quarter of the sequences; the answer is their mean. One thread
and a seeded generator make it repeatable. The only file of the probes that imports torch.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from pipeline.errors import BadInput, choose

HEADS = 2
WIDTH = 64
MEMBERS = 3
PARTS = 4  # a member is stopped on one of so many parts of the sequences
EPOCHS = 150
PATIENCE = 20
EPOCHS_UNSTOPPED = 60  # where there are too few sequences to hold any out
BATCH = 16
RATE, DECAY = 2e-3, 0.05
HIDDEN = 0.2  # share of tokens that are not looked at in each training step
ASKED = ("sequence", "token")
GOALS = ("classes", "number")
PLACE_SCALE = 4.0  # places are divided by this, so that DECam's run from about -1 to 1


@dataclass(frozen=True)
class Attentive:
    """A fitted attentive probe. weights : name -> (members, ...) float32; `mean` and `spread` (dim,) of the tokens."""

    weights: dict[str, np.ndarray]
    goal: str
    per: str
    heads: int = HEADS


def fit_attentive(
    tokens: np.ndarray,
    mask: np.ndarray,
    targets: np.ndarray,
    *,
    places: np.ndarray | None = None,
    goal: str = "classes",
    per: str = "sequence",
    heads: int = HEADS,
    width: int = WIDTH,
    members: int = MEMBERS,
    seed: int = 0,
) -> Attentive:
    """Fit on some sequences of tokens.

    tokens : (n, t, dim) float; what the mask leaves out is never looked at. mask : (n, t) bool, True where there is a
    token. targets : (n, out), or (n, t, out) when asked per token; NaN where not known. For `classes` each row is
    divided by its sum (several labels share one answer); for `number` out is 1, standardised by the caller. places :
    (n, t, 2) of the tokens, relative to the middle, or None where the place means nothing.
    BadInput where shapes disagree, tokens are not finite, or nothing has a known target.
    """
    _check(tokens, mask, targets, goal, per)
    if width % heads:
        raise BadInput(f"a width of {width} cannot be shared by {heads} heads; give a multiple")
    mean, spread = _scale(tokens, mask)
    x, seen = _tensors(tokens, mask, mean, spread)
    y = torch.from_numpy(np.ascontiguousarray(targets, dtype=np.float32))
    where = _places(places, mask)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        parts = _parts(targets, goal, seed)
        fitted = [
            _member(x, seen, where, y, parts == member if parts is not None else None, goal, per, heads, width, seed)
            for member, seed in enumerate(np.random.SeedSequence(seed).generate_state(members))
        ]
    finally:
        torch.set_num_threads(threads)
    weights = {name: np.stack([member[name].numpy() for member in fitted]) for name in fitted[0]}
    return Attentive({**weights, "mean": mean, "spread": spread}, goal, per, heads)


def apply_attentive(
    model: Attentive, tokens: np.ndarray, mask: np.ndarray, *, places: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Answer for some sequences: the mean of the members.

    Returns answers (n, out), or (n, t, out) when asked per token: probabilities or numbers, float64; and looked (n, t),
    what share of the attention of the query (or, per token, of all queries) each token had.
    """
    weights = model.weights
    x, seen = _tensors(tokens, mask, weights["mean"], weights["spread"])
    where = _places(places, mask)
    answers, looked = 0.0, 0.0
    names = [name for name in weights if name not in ("mean", "spread")]
    members = len(weights["query"])
    with torch.no_grad():
        for member in range(members):
            own = {name: torch.from_numpy(np.asarray(weights[name][member])) for name in names}
            found, attention = _forward(own, x, seen, where, model.per, model.heads)
            found = functional.softmax(found, -1) if model.goal == "classes" else found
            answers = answers + found.double().numpy() / members
            looked = looked + attention.double().numpy() / members
    return answers, looked


def _check(tokens, mask, targets, goal: str, per: str) -> None:
    choose(goal, GOALS, "goal of a probe")
    choose(per, ASKED, "way to ask a probe")
    wanted = tokens.shape[: 1 if per == "sequence" else 2]
    if tokens.ndim != 3 or mask.shape != tokens.shape[:2] or targets.shape[:-1] != wanted:
        raise BadInput(
            f"tokens {tokens.shape}, mask {mask.shape} and targets {targets.shape} do not belong together; "
            f"give (n, t, dim), (n, t) and ({'n' if per == 'sequence' else 'n, t'}, out)"
        )
    if not np.isfinite(tokens[mask]).all():
        raise BadInput("some tokens hold NaN or infinity; run `triptych embed` again")
    if not np.isfinite(targets).all(axis=-1).any():
        raise BadInput("nothing that an attentive probe is fitted on has a known target; label something first")


def _scale(tokens, mask) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (dim,) float32 of the tokens that are there; 1 where a number never changes."""
    known = tokens[mask].astype(np.float64)
    spread = known.std(axis=0)
    return known.mean(axis=0).astype(np.float32), np.where(spread > 1e-12, spread, 1).astype(np.float32)


def _tensors(tokens, mask, mean, spread) -> tuple[torch.Tensor, torch.Tensor]:
    """Standardised tokens, 0 where there is none, and the mask."""
    x = np.where(mask[..., None], (tokens - mean) / spread, 0).astype(np.float32)
    return torch.from_numpy(x), torch.from_numpy(np.ascontiguousarray(mask))


def _places(places, mask) -> torch.Tensor:
    """(n, t, 9) float32: a constant, place, its square terms and distance from the middle; only 1 without places."""
    found = np.zeros((*mask.shape, 9), np.float32)
    found[..., 0] = 1
    if places is not None:
        x, y = np.moveaxis(np.nan_to_num(np.asarray(places, np.float32)), -1, 0) / PLACE_SCALE
        radius = np.hypot(x, y)
        found[..., 1:] = np.stack([x, y, x * x, y * y, x * y, radius, x * radius, y * radius], -1)
    return torch.from_numpy(found)


def _parts(targets, goal: str, seed: int) -> np.ndarray | None:
    """(n,) which part each sequence belongs to, sequences with like targets in different parts; None if too few."""
    if len(targets) < PARTS:
        return None
    flat = targets if targets.ndim == 2 else np.nan_to_num(targets).sum(axis=1)
    if goal == "number":
        kind = np.nan_to_num(flat[:, 0])
    else:
        share = np.nansum(flat, axis=0)
        kind = np.argmin(np.where(np.nan_to_num(flat) > 0, share, np.inf), axis=1)
    order = np.lexsort((np.random.default_rng(seed).random(len(flat)), kind))
    parts = np.empty(len(flat), int)
    parts[order] = np.arange(len(flat)) % PARTS
    return parts


def _begin(dim: int, out: int, width: int, per: str, generator: torch.Generator) -> dict[str, torch.Tensor]:
    """Weights to start from: small random ones for the query, keys and values, zeros for the head."""

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator) * shape[0] ** -0.5

    weights = {
        "query": torch.randn(width, generator=generator) * 0.5,
        "key": drawn(dim, width),
        "value": drawn(dim, width),
        "key_place": drawn(9, width) * 0.3,
        "value_place": drawn(9, width) * 0.3,
        "head": torch.zeros(width, out),
        "offset": torch.zeros(out),
    }
    if per == "token":
        weights |= {"asks": drawn(dim, width) * 0.3, "asks_place": drawn(9, width) * 0.3, "own": torch.zeros(dim, out)}
    return weights


def _forward(weights, x, seen, where, per: str, heads: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Outputs before softmax, (n, out) or (n, t, out), and the share (n, t) of attention that each token had."""
    n = len(x)
    key = x @ weights["key"] + where @ weights["key_place"]
    value = functional.gelu(x @ weights["value"] + where @ weights["value_place"])
    if per == "token":
        query = weights["query"] + x @ weights["asks"] + where @ weights["asks_place"]
    else:
        query = weights["query"].expand(n, 1, -1)
    key, value, query = (
        part.reshape(n, -1, heads, part.shape[-1] // heads).transpose(1, 2) for part in (key, value, query)
    )
    score = query @ key.transpose(-1, -2) * key.shape[-1] ** -0.5
    # A sequence whose tokens are all hidden looks at nothing in particular, rather than at NaN.
    score = score.masked_fill(~seen[:, None, None, :], -1e9)
    attention = score.softmax(-1)
    pooled = (attention @ value).transpose(1, 2).reshape(n, -1, weights["head"].shape[0])
    out = pooled @ weights["head"] + weights["offset"]
    if per == "token":
        out = out + x @ weights["own"]
        asked = seen[:, None, :, None] / seen.sum(1).clamp(min=1)[:, None, None, None]
        return out, (attention * asked).sum(2).mean(1)
    return out[:, 0], attention[:, :, 0].mean(1)


def _loss(out: torch.Tensor, y: torch.Tensor, goal: str) -> torch.Tensor:
    """Mean over the answers whose target is known."""
    known = torch.isfinite(y).all(-1)
    out, y = out[known], y[known]
    if not len(y):
        return out.sum() * 0
    if goal == "number":
        return functional.smooth_l1_loss(out, y)
    share = y / y.sum(-1, keepdim=True).clamp(min=1e-9)
    return -(share * functional.log_softmax(out, -1)).sum(-1).mean()


def _member(x, seen, where, y, held, goal, per, heads, width, seed) -> dict[str, torch.Tensor]:
    """Train one member, stopped where the held-out part is answered best. held : (n,) bool, or None."""
    generator = torch.Generator().manual_seed(int(seed))
    weights = _begin(x.shape[2], y.shape[-1], width, per, generator)
    for value in weights.values():
        value.requires_grad_()
    decayed = [value for name, value in weights.items() if name not in ("query", "offset")]
    plain = [weights["query"], weights["offset"]]
    optimiser = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": DECAY}, {"params": plain, "weight_decay": 0.0}], lr=RATE
    )
    held = None if held is None or not held.any() or held.all() else torch.from_numpy(held)
    teach = torch.arange(len(x)) if held is None else torch.nonzero(~held)[:, 0]
    best, kept, waited = np.inf, None, 0
    for _ in range(EPOCHS_UNSTOPPED if held is None else EPOCHS):
        order = teach[torch.randperm(len(teach), generator=generator)]
        for rows in order.split(BATCH):
            shown = seen[rows] & (torch.rand(seen[rows].shape, generator=generator) >= HIDDEN)
            loss = _loss(_forward(weights, x[rows], shown, where[rows], per, heads)[0], y[rows], goal)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        if held is None:
            continue
        with torch.no_grad():
            found = float(_loss(_forward(weights, x[held], seen[held], where[held], per, heads)[0], y[held], goal))
        waited += 1
        if found < best - 1e-4:
            best, waited = found, 0
            kept = {name: value.detach().clone() for name, value in weights.items()}
        if waited >= PATIENCE:
            break
    return kept or {name: value.detach().clone() for name, value in weights.items()}
