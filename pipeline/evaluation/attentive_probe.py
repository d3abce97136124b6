"""Attentive probe: what can be read from a set of frozen tokens if the probe may choose where to look.

It is attention pooling with one learned query and a linear head; the encoder is not changed (Bardes et al. 2024,
V-JEPA; with two heads, as for the sky embeddings). Tokens may be the CCD vectors of an exposure with their places on
the focal plane, or the patch tokens of a transformer. Nothing in this file depends on which.

Asked per `sequence`, the learned query looks at all tokens, and the head answers once. Asked per `token`, each token's
own query looks at all tokens. The head then sees the token and what was pooled, so the answer can depend on what is
around it.

A fit has several members. The training of each is stopped by its loss on a different quarter of the sequences, and the
answer is the mean of all members. They are trained together, as one array, in one thread and with a seeded generator,
so a fit can be repeated. This is the only file of the probes that imports torch.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from triptych.pipeline.errors import BadInput, choose

HEADS = 2
WIDTH = 64
MEMBERS = 3
PARTS = 4  # the sequences are divided into so many parts; a member's training is stopped by its loss on one of them
EPOCHS = 200
PATIENCE = 20
EPOCHS_UNSTOPPED = 60  # with too few sequences to hold any out
BATCH = 16
RATE, DECAY = 1e-3, 0.5
HIDDEN = 0.2  # share of tokens that are hidden in each training step
ASKED_AT_ONCE = 64
FARTHEST = 5.0  # tokens are clipped to so many standard deviations, so that a rare one far out is not extrapolated
ASKED = ("sequence", "token")
GOALS = ("classes", "number")
PLACE_TERMS = 9
PLACE_SCALE = 4.0  # places are divided by this, so that DECam's are between about -1 and 1


@dataclass(frozen=True)
class Attentive:
    """A fitted attentive probe.

    weights : name -> (members, ...) float32, and `mean` and `spread` (dim,) of the tokens.
    """

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
    """Fit to some sequences of tokens.

    tokens : (n, t, dim) float; tokens outside the mask are never used. mask : (n, t) bool, True where there is a token.
    targets : (n, out), or (n, t, out) if asked per token; NaN = unknown. For `classes` each row is divided by its sum
    (several labels share one answer). For `number` out is 1, standardised by the caller. places : (n, t, 2) of the
    tokens, relative to the middle, or None if the place does not matter.
    BadInput if shapes do not match, tokens are not finite, or no target is known.
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
        held = None if parts is None else torch.from_numpy(parts[None] == np.arange(members)[:, None] % PARTS)
        found = _trained(x, seen, where, y, held, members, goal, per, heads, width, seed)
    finally:
        torch.set_num_threads(threads)
    weights = {name: value.numpy() for name, value in found.items()}
    return Attentive({**weights, "mean": mean, "spread": spread}, goal, per, heads)


def apply_attentive(
    model: Attentive, tokens: np.ndarray, mask: np.ndarray, *, places: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Answer for some sequences, by the mean of the members.

    Returns answers (n, out), or (n, t, out) if asked per token: probabilities or numbers, float64; and looked (n, t):
    the share of attention that each token had, from the query (or, per token, from all queries).
    """
    weights = model.weights
    x, seen = _tensors(tokens, mask, weights["mean"], weights["spread"])
    where = _places(places, mask)
    own = {
        name: torch.from_numpy(np.asarray(value)) for name, value in weights.items() if name not in ("mean", "spread")
    }
    answers, looked = [], []
    with torch.no_grad():
        for rows in torch.arange(len(x)).split(ASKED_AT_ONCE):
            found, attention = _forward(own, x[rows], seen[rows], where[rows], model.per, model.heads)
            found = functional.softmax(found, -1) if model.goal == "classes" else found
            answers.append(found.double().mean(0).numpy())
            looked.append(attention.double().mean(0).numpy())
    return np.concatenate(answers), np.concatenate(looked)


def _check(tokens, mask, targets, goal: str, per: str) -> None:
    choose(goal, GOALS, "goal of a probe")
    choose(per, ASKED, "way to ask a probe")
    wanted = tokens.shape[: 1 if per == "sequence" else 2]
    if tokens.ndim != 3 or mask.shape != tokens.shape[:2] or targets.shape[:-1] != wanted:
        raise BadInput(
            f"tokens {tokens.shape}, mask {mask.shape} and targets {targets.shape} do not match; "
            f"give (n, t, dim), (n, t) and ({'n' if per == 'sequence' else 'n, t'}, out)"
        )
    if not np.isfinite(tokens[mask]).all():
        raise BadInput("some tokens hold NaN or infinity; run `triptych embed` again")
    if not np.isfinite(targets).all(axis=-1).any():
        raise BadInput("no target is known for an attentive probe to be fitted to; label something first")


def _scale(tokens, mask) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (dim,) float32 of the tokens in the mask.

    The latter is 1 if a number never changes.
    """
    known = tokens[mask].astype(np.float64)
    spread = known.std(axis=0)
    return known.mean(axis=0).astype(np.float32), np.where(spread > 1e-12, spread, 1).astype(np.float32)


def _tensors(tokens, mask, mean, spread) -> tuple[torch.Tensor, torch.Tensor]:
    """Standardised tokens, clipped to FARTHEST and 0 outside the mask; and the mask."""
    x = np.where(mask[..., None], np.clip((tokens - mean) / spread, -FARTHEST, FARTHEST), 0).astype(np.float32)
    return torch.from_numpy(x), torch.from_numpy(np.ascontiguousarray(mask))


def _places(places, mask) -> torch.Tensor:
    """(n, t, PLACE_TERMS) float32: a constant, place, square terms and distance from the middle.

    None: constant only.
    """
    found = np.zeros((*mask.shape, PLACE_TERMS), np.float32)
    found[..., 0] = 1
    if places is not None:
        x, y = np.moveaxis(np.nan_to_num(np.asarray(places, np.float32)), -1, 0) / PLACE_SCALE
        radius = np.hypot(x, y)
        found[..., 1:] = np.stack([x, y, x * x, y * y, x * y, radius, x * radius, y * radius], -1)
    return torch.from_numpy(found)


def _parts(targets, goal: str, seed: int) -> np.ndarray | None:
    """(n,) number of each sequence's part. Sequences with similar targets go to different parts. None if too few."""
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


def _begin(
    members: int, dim: int, out: int, width: int, per: str, generator: torch.Generator
) -> dict[str, torch.Tensor]:
    """Initial weights, (members, ...): small random numbers for query, keys and values, zeros for the head."""

    def drawn(rows: int, size: float = 1.0) -> torch.Tensor:
        return torch.randn(members, rows, width, generator=generator) * size * rows**-0.5

    weights = {
        "query": torch.randn(members, 1, width, generator=generator) * 0.5,
        "key": drawn(dim),
        "value": drawn(dim),
        "key_place": drawn(PLACE_TERMS, 0.3),
        "value_place": drawn(PLACE_TERMS, 0.3),
        "head": torch.zeros(members, width, out),
        "offset": torch.zeros(members, 1, out),
    }
    if per == "token":
        weights |= {
            "asks": drawn(dim, 0.3),
            "asks_place": drawn(PLACE_TERMS, 0.3),
            "own": torch.zeros(members, dim, out),
            "own_place": torch.zeros(members, PLACE_TERMS, out),
        }
    return weights


def _forward(weights, x, seen, where, per: str, heads: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Outputs before softmax, (members, n, out) or (members, n, t, out), and the share of attention (members, n, t)
    that each token had. seen : (n, t) or (members, n, t)."""

    def of(tokens: torch.Tensor, name: str) -> torch.Tensor:
        return (tokens.flatten(0, 1) @ weights[name]).unflatten(1, tokens.shape[:2])

    def by_head(values: torch.Tensor) -> torch.Tensor:
        return values.unflatten(-1, (heads, -1)).transpose(2, 3)

    key = of(x, "key") + of(where, "key_place")
    value = of(x, "value") + of(where, "value_place")
    query = weights["query"][:, None].expand(-1, len(x), -1, -1)
    if per == "token":
        query = query + of(x, "asks") + of(where, "asks_place")
    key, value, query = by_head(key), by_head(value), by_head(query)
    score = query @ key.transpose(-1, -2) * key.shape[-1] ** -0.5
    # If all tokens of a sequence are hidden, -1e9 (instead of -inf) gives equal attention, not NaN.
    seen = seen.expand(len(score), *x.shape[:2])
    attention = score.masked_fill(~seen[:, :, None, None], -1e9).softmax(-1)
    pooled = (attention @ value).transpose(2, 3).flatten(-2)
    out = pooled @ weights["head"][:, None] + weights["offset"][:, None]
    if per == "token":
        out = out + of(x, "own") + of(where, "own_place")
        share = seen / seen.sum(-1, keepdim=True).clamp(min=1)
        return out, (attention * share[:, :, None, :, None]).sum(3).mean(2)
    return out[:, :, 0], attention[:, :, :, 0].mean(2)


def _losses(out: torch.Tensor, y: torch.Tensor, counts: torch.Tensor, goal: str) -> torch.Tensor:
    """Mean loss (members,) over the answers with a known target. counts : (members, n) bool, which sequences count."""
    known = torch.isfinite(y).all(-1)
    y = torch.where(known[..., None], y, 0)
    if goal == "number":
        each = functional.smooth_l1_loss(out, y.expand_as(out), reduction="none").mean(-1)
    else:
        share = y / y.sum(-1, keepdim=True).clamp(min=1e-9)
        each = -(share * functional.log_softmax(out, -1)).sum(-1)
    weight = known * (counts[..., None] if known.ndim == 2 else counts)
    axes = tuple(range(1, weight.ndim))
    return (each * weight).sum(axes) / weight.sum(axes).clamp(min=1)


def _trained(x, seen, where, y, held, members, goal, per, heads, width, seed) -> dict[str, torch.Tensor]:
    """Train all members together. Each keeps the weights with the smallest loss on its own held-out part.

    held : (members, n) bool, sequences from which each member does not learn. None : hold out nothing, and stop after
    a fixed number of epochs.
    """
    generator = torch.Generator().manual_seed(int(np.random.SeedSequence(seed).generate_state(1)[0]))
    weights = _begin(members, x.shape[2], y.shape[-1], width, per, generator)
    for value in weights.values():
        value.requires_grad_()
    free = ("query", "offset")
    optimiser = torch.optim.AdamW(
        [
            {"params": [value for name, value in weights.items() if name not in free], "weight_decay": DECAY},
            {"params": [weights[name] for name in free], "weight_decay": 0.0},
        ],
        lr=RATE,
    )
    teach = torch.ones(members, len(x), dtype=torch.bool) if held is None else ~held
    best, waited = torch.full((members,), torch.inf), torch.zeros(members)
    kept = {name: value.detach().clone() for name, value in weights.items()}
    for _ in range(EPOCHS_UNSTOPPED if held is None else EPOCHS):
        for rows in torch.randperm(len(x), generator=generator).split(BATCH):
            shown = seen[rows] & (torch.rand(members, *seen[rows].shape, generator=generator) >= HIDDEN)
            out, _ = _forward(weights, x[rows], shown, where[rows], per, heads)
            optimiser.zero_grad()
            _losses(out, y[rows], teach[:, rows], goal).sum().backward()
            optimiser.step()
        if held is None:
            continue
        with torch.no_grad():
            found = _losses(_forward(weights, x, seen, where, per, heads)[0], y, held, goal)
        better = found < best - 1e-4
        best, waited = torch.where(better, found, best), torch.where(better, 0, waited + 1)
        for name, value in weights.items():
            kept[name][better] = value.detach()[better]
        if (waited >= PATIENCE).all():
            break
    return kept if held is not None else {name: value.detach() for name, value in weights.items()}
