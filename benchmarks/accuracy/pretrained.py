"""What pretraining on a survey's own images is worth to the default classifier.

    python -m benchmarks.accuracy.pretrained --model NAME=FOLDER ... [--simulated 90] [--write docs/pretraining.md]

Each FOLDER was written by `triptych pretrain`. Images, labels, folds and classifier are those of
benchmarks.accuracy.backbones: 30 real focal planes with ghosts, each left out in turn, and simulated exposures in five
folds by exposure. The spread of a figure is the standard deviation over bootstrap samples of whole exposures.
"""

import argparse
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from benchmarks.accuracy.backbones import (
    GHOST,
    Sample,
    f1,
    held_out,
    macro_f1,
    real_ghosts,
    simulated,
    spread,
)
from triptych.pipeline.camera import DECAM
from triptych.pipeline.classifier import train
from triptych.pipeline.embedding import backbones, preview_vit
from triptych.pipeline.reasons import GOOD
from triptych.pipeline.simulation.defects import DEFECTS

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
COLUMNS = "| vectors | numbers | real ghosts: precision | recall | F1 | spread "
SIMULATED = "| simulated: macro F1 | spread | bad or good F1 "


def untrained(like: preview_vit.PreviewTransformer, seed: int) -> Callable:
    """vectors() of a transformer of the same form whose weights are as they were drawn."""
    config = like.model.config
    model = preview_vit.new_model(
        like.shape, patch=config.patch_size, width=config.hidden_size, depth=config.num_hidden_layers, seed=seed
    ).eval()

    @torch.inference_mode()
    def vectors(camera, ccdnums: np.ndarray, pixels: np.ndarray) -> np.ndarray:
        images = torch.from_numpy(preview_vit.prepare(pixels, like.shape))
        return preview_vit.pool(preview_vit.encode(model, images)).numpy()

    return vectors


def timed(make: Callable, sample: Sample) -> tuple[np.ndarray, float]:
    """Vectors of all images, and the median over exposures of milliseconds of one core per CCD image."""
    parts, seconds = [], []
    for ccdnums, pixels in sample.exposures:
        started = time.process_time()
        parts.append(make(DECAM, ccdnums, pixels))
        seconds.append((time.process_time() - started) / len(ccdnums))
    return np.concatenate(parts), 1000 * float(np.median(seconds))


def candidates(models: dict[str, str]) -> tuple[dict[str, Callable], dict[str, tuple[str, str]]]:
    """Name -> vectors function, and name -> two names whose vectors are set side by side."""
    own = backbones.open_backbone("triptych")[1]
    opened = {name: preview_vit.PreviewTransformer(folder) for name, folder in models.items()}
    first = next(iter(opened.values()))
    makers = {"transformer, untrained": untrained(first, 0)}
    makers |= {f"transformer, {name}": loaded.vectors for name, loaded in opened.items()}
    makers["`triptych`"] = own.vectors
    pairs = {f"`triptych` and transformer, {name}": ("`triptych`", f"transformer, {name}") for name in opened}
    return makers, {"`triptych` and transformer, untrained": ("`triptych`", "transformer, untrained"), **pairs}


def every_vector(sample: Sample, makers: dict, pairs: dict) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Vectors and milliseconds per CCD image of every candidate."""
    found, took = {}, {}
    for name, make in makers.items():
        found[name], took[name] = timed(make, sample)
    for name, (one, other) in pairs.items():
        found[name], took[name] = np.concatenate([found[one], found[other]], 1), took[one] + took[other]
    return found, took


def real_columns(sample: Sample, vectors: np.ndarray) -> str:
    table = sample.table
    truth, expnums = np.array([GHOST in r for r in table.reasons]), table.expnum.to_numpy()
    said = (held_out(vectors, table, table.expnum.nunique()).reason == GHOST).to_numpy()
    p, r, f = f1(truth, said)
    by = spread(expnums, lambda chosen: f1(truth[chosen], said[chosen])[2])
    return f"| {p:.3f} | {r:.3f} | {f:.3f} | {by:.3f} "


def simulated_columns(sample: Sample, vectors: np.ndarray) -> str:
    table, labels = sample.table, (*DEFECTS, GOOD)
    truth, expnums = train.indicators(table.reasons, labels), table.expnum.to_numpy()
    said = np.array(labels)[None] == held_out(vectors, table, 5).reason.to_numpy(str)[:, None]
    by = spread(expnums, lambda chosen: macro_f1(truth[chosen], said[chosen]), n=200)
    return f"| {macro_f1(truth, said):.3f} | {by:.3f} | {f1(~truth[:, -1], ~said[:, -1])[2]:.3f} "


def report(models: dict[str, str], data: Path, n: int, seed: int) -> list[str]:
    makers, pairs = candidates(models)
    real = real_ghosts(data)[0] if data.is_dir() else None
    drawn = simulated(n, seed, processes=min(2, os.cpu_count() or 1)) if n else None
    lines = []
    for title, sample in (("Real ghosts", real), (f"Simulated, seed {seed}", drawn)):
        if sample:
            bad = sum(GOOD not in reasons for reasons in sample.table.reasons)
            lines.append(f"{title}: {len(sample.exposures)} exposures, {len(sample.table)} CCD images, {bad} bad.")
    lines.append(f"Milliseconds of one core per CCD image ({platform.machine()}), preview to vector: median.")
    head = COLUMNS + (SIMULATED if drawn else "") + "| ms per CCD |"
    lines += ["", head, "| --- " * (head.count("|") - 1) + "|"]
    of_real = every_vector(real, makers, pairs)[0] if real else {}
    of_drawn, took = every_vector(drawn, makers, pairs) if drawn else ({}, {})
    for name in [*makers, *pairs]:
        size = (of_drawn or of_real)[name].shape[1]
        line = f"| {name} | {size} " + (real_columns(real, of_real[name]) if real else "| | | | ")
        line += simulated_columns(drawn, of_drawn[name]) if drawn else ""
        lines.append(line + (f"| {took[name]:.1f} |" if took else "| |"))
        print(lines[-1], flush=True)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", required=True, metavar="NAME=FOLDER", help="a pretrained model")
    parser.add_argument("--simulated", type=int, default=90, help="simulated exposures; 0 leaves that part out")
    parser.add_argument("--seed", type=int, default=4711)
    parser.add_argument("--write", type=Path, help="put the table between the marks in this page")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    models = dict(words.split("=", 1) for words in arguments.model)
    data = Path(os.environ.get("TRIPTYCH_REAL_DATA", "../shared/data"))
    text = "\n".join(report(models, data, arguments.simulated, arguments.seed))
    print(text)
    if arguments.write:
        page = arguments.write.read_text()
        before, after = page.split(BEGIN)[0], page.split(END)[1]
        arguments.write.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")


if __name__ == "__main__":
    main()
