"""The exact gradient of t-SNE, from all pairs of points: on a GPU, or for few points on a processor.

openTSNE accepts a callable for `negative_gradient_method`; an ExactGradient is one. It uses no tree and no grid, so
nothing is approximated, in two or three dimensions.
"""

import importlib.util
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from numba import njit
from openTSNE import _tsne

from triptych.pipeline.errors import BadInput

if TYPE_CHECKING:
    import torch

# Pairs in one tile on a torch device, which limits the memory unless the kernel is fused; rows in a tile on a
# processor.
PAIRS = {"cpu": 1 << 14, "cuda": 1 << 28}
ROWS = 256
EPSILON = np.finfo(np.float64).eps


def has_gpu() -> bool:
    """Whether torch sees a CUDA device."""
    if importlib.util.find_spec("torch") is None:
        return False
    import torch

    return torch.cuda.is_available()


def repulsion(rows: "torch.Tensor", columns: "torch.Tensor") -> "tuple[torch.Tensor, torch.Tensor]":
    """Return the force that pushes each row away from all columns, and the sum of its similarities.

    rows : (r, dims), columns : (c, dims) float, places on the map. Returns forces (r, dims) = sum of q^2 (row - column)
    and sums (r,) of q = 1 / (1 + distance^2). A column at the place of the row itself adds 1 to the sum.
    """
    import torch

    apart = [rows[:, axis, None] - columns[None, :, axis] for axis in range(rows.shape[1])]
    q = 1 / (1 + sum((one * one for one in apart[1:]), apart[0] * apart[0]))
    squared = q * q
    return torch.stack([(squared * one).sum(dim=1) for one in apart], dim=1), q.sum(dim=1)


@njit(nogil=True, cache=True, fastmath=True)
def _repulsion(rows, columns, forces, sums):
    """The same on a processor. rows : (r, 3), columns : (3, c) float64, unused axes 0. Fills forces and sums."""
    x, y, z = columns[0], columns[1], columns[2]
    for i in range(len(rows)):
        total, fx, fy, fz = 0.0, 0.0, 0.0, 0.0
        for j in range(len(x)):
            dx, dy, dz = rows[i, 0] - x[j], rows[i, 1] - y[j], rows[i, 2] - z[j]
            q = 1.0 / (1.0 + dx * dx + dy * dy + dz * dz)
            total += q
            q *= q
            fx += q * dx
            fy += q * dy
            fz += q * dz
        sums[i], forces[i, 0], forces[i, 1], forces[i, 2] = total, fx, fy, fz


class OnProcessor:
    """Repulsion in float64, with rows divided among threads. Their number does not change the result."""

    def __init__(self, points: np.ndarray, others: np.ndarray, threads: int):
        rows, columns = (np.pad(places, ((0, 0), (0, 3 - places.shape[1]))) for places in (points, others))
        columns = np.ascontiguousarray(columns.T)
        self.forces, self.sums = np.empty(rows.shape), np.empty(len(rows))
        tiles = [slice(start, start + ROWS) for start in range(0, len(rows), ROWS)]
        if threads <= 1 or len(tiles) == 1:
            _repulsion(rows, columns, self.forces, self.sums)
        else:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(lambda tile: _repulsion(rows[tile], columns, self.forces[tile], self.sums[tile]), tiles))
        self.forces = self.forces[:, : points.shape[1]]

    def result(self) -> tuple[np.ndarray, np.ndarray]:
        """Repulsion on each point, (n, d) float64, and its share of the sum over all pairs, (n,) float64."""
        return self.forces, self.sums


class OnTorch:
    """Repulsion in tiles on a torch device. On a GPU the tiles are still being computed when __init__ returns.

    The last tile is filled up with the first point, so that one compiled kernel serves all tiles.
    """

    def __init__(self, points: np.ndarray, others: np.ndarray, device: str, tile):
        import torch

        self.n = len(points)
        kind = torch.device(device).type
        dtype = torch.float32 if kind == "cuda" else torch.float64
        height = min(max(PAIRS.get(kind, PAIRS["cpu"]) // max(len(others), 1), 1), self.n)
        missing = -self.n % height
        rows = np.concatenate([points, np.broadcast_to(points[:1], (missing, points.shape[1]))])
        rows, columns = (torch.from_numpy(places).to(device, dtype) for places in (rows, others))
        with torch.inference_mode():
            tiles = [tile(rows[start : start + height], columns) for start in range(0, len(rows), height)]
            self.parts = [torch.cat(parts) for parts in zip(*tiles, strict=True)]

    def result(self) -> tuple[np.ndarray, np.ndarray]:
        """Repulsion on each point, (n, d) float64, and its share of the sum over all pairs, (n,) float64."""
        forces, sums = (part[: self.n].double().cpu().numpy() for part in self.parts)
        return forces, sums


class ExactGradient:
    """openTSNE's objective function without approximation: called with a map and its P, returns (KL, gradient).

    device : "processor" (float64) or a torch device: "cuda", "cuda:N", "cpu". On CUDA the pairs are computed in float32
    in one fused kernel, which is compiled at the first call. Meanwhile the processor sums the attraction in float64.
    """

    def __init__(self, device: str = "processor"):
        self.device = device
        self.tile = repulsion
        # A fused kernel keeps no (rows, columns) array in memory. It needs Triton, which torch for CUDA includes.
        if device.startswith("cuda") and importlib.util.find_spec("triton") is not None:
            import torch

            self.tile = torch.compile(repulsion)

    def __call__(
        self, embedding, P, dof=1, reference_embedding=None, should_eval_error=False, n_jobs=1, **_
    ) -> tuple[float, np.ndarray]:
        """Return the KL divergence (0 unless `should_eval_error`) and the gradient (n, dims) float64.

        embedding : (n, dims) float64. P : CSR (n, n), or (n, m) for a frozen `reference_embedding` (m, dims). With a
        reference each point is normalised separately, so new points do not affect each other. BadInput unless dof is 1.
        """
        if dof != 1:
            raise BadInput(f"the exact gradient supports only one degree of freedom, not {dof}; use Barnes-Hut")
        points = np.array(embedding, dtype=np.float64, order="C")
        others = points if reference_embedding is None else np.array(reference_embedding, np.float64, order="C")
        if self.device == "processor":
            pushed = OnProcessor(points, others, n_jobs)
        else:
            pushed = OnTorch(points, others, self.device, self.tile)
        gradient = np.zeros_like(points)
        total_p, divergence = _tsne.estimate_positive_gradient_nn(
            P.indices,
            P.indptr,
            P.data,
            points,
            others,
            gradient,
            dof,
            num_threads=n_jobs,
            should_eval_error=should_eval_error,
        )
        forces, sums = pushed.result()
        own = 1 if reference_embedding is None else 0  # each point's sum includes itself, which exerts no force
        total = (sums - own).sum()
        gradient -= forces / (total + EPSILON if own else sums[:, None] + EPSILON)
        if should_eval_error:
            divergence += total_p * np.log(total + EPSILON)
        return divergence, gradient
