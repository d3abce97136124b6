"""A first pass at half resolution, and the full one only for doubtful images: what it saves, and what it costs.

    python -m benchmarks.accuracy.cascade --model FOLDER[=HALF] ... [--simulated 90] [--write docs/pretraining.md]

FOLDER was written by `triptych pretrain`, and so was HALF, on images of half the size; without it the weights of FOLDER
are used at half the size, the places of its patches interpolated. The default classifier, five folds by exposure; bad
is any reason but good; an image is doubtful when its seven nearest neighbours of the first pass do not agree on good
or bad. FLOP are counted from the transformer's form.
"""

import argparse
import os
from pathlib import Path

import numpy as np
import torch

from benchmarks.accuracy.backbones import Sample, f1, held_out, simulated, spread
from triptych.pipeline.embedding import preview_vit
from triptych.pipeline.reasons import GOOD

BEGIN, END = "<!-- cascade: begin -->", "<!-- cascade: end -->"


def flop(model) -> float:
    """Floating-point operations for the vector of one image: matrix products, a multiplication and an addition each."""
    config = model.config
    rows, columns = preview_vit.grid_of(model)
    n, width, wide = rows * columns + 1, config.hidden_size, config.intermediate_size
    layer = 2 * n * (4 * width * width + 2 * width * wide) + 4 * n * n * width
    return config.num_hidden_layers * layer + 2 * (n - 1) * config.patch_size**2 * width


def half_of(whole, folder: str):
    """The model of the first pass: of `folder` if given, else `whole` with the places of its patches interpolated."""
    if folder:
        return preview_vit.PreviewTransformer(folder).model
    return preview_vit.resized(whole, tuple(side // 2 for side in whole.config.image_size))


@torch.inference_mode()
def vectors(model, sample: Sample) -> np.ndarray:
    shape = tuple(model.config.image_size)
    images = [torch.from_numpy(preview_vit.prepare(pixels, shape)) for _, pixels in sample.exposures]
    return np.concatenate([preview_vit.pool(preview_vit.encode(model, image)).numpy() for image in images])


def two_passes(first, second) -> tuple[np.ndarray, np.ndarray]:
    """(n,) bool each: called bad, and doubtful. first, second : prediction tables of the two passes."""
    p_good = first[f"p_{GOOD}"].to_numpy()
    doubtful = (p_good > 0) & (p_good < 1)
    return np.where(doubtful, second.reason != GOOD, first.reason != GOOD), doubtful


def report(whole, half, sample: Sample) -> list[str]:
    """Lines of the table: each pass by itself, and the two in turn."""
    table = sample.table
    truth, expnums = np.array([GOOD not in r for r in table.reasons]), table.expnum.to_numpy()
    first, second = (held_out(vectors(model, sample), table, 5) for model in (half, whole))
    both, doubtful = two_passes(first, second)
    cost, cheap = flop(whole), flop(half)
    share = float(doubtful.mean())
    rows = {
        "full resolution": ((second.reason != GOOD).to_numpy(), cost, 1.0),
        "half resolution": ((first.reason != GOOD).to_numpy(), cheap, 0.0),
        "half, then full where doubtful": (both, cheap + share * cost, share),
    }
    sizes = [" x ".join(map(str, model.config.image_size)) for model in (whole, half)]
    lines = [
        f"{len(sample.exposures)} simulated exposures, {len(table)} CCD images, {truth.sum()} bad; full is {sizes[0]} "
        f"pixels, half {sizes[1]}; spread over exposures.",
        "",
        "| pass | precision | recall of bad CCDs | spread | F1 | second pass | MFLOP per image | saved |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, (said, spent, again) in rows.items():
        p, r, f = f1(truth, said)
        by = spread(expnums, lambda chosen, said=said: f1(truth[chosen], said[chosen])[1], n=200)
        lines.append(
            f"| {name} | {p:.3f} | {r:.3f} | {by:.3f} | {f:.3f} | {100 * again:.0f} % | {spent / 1e6:.0f} "
            f"| {100 * (1 - spent / cost):.0f} % |"
        )
    gap = spread(expnums, lambda c: f1(truth[c], both[c])[1] - f1(truth[c], rows["full resolution"][0][c])[1], n=200)
    lost = f1(truth, both)[1] - f1(truth, rows["full resolution"][0])[1]
    return [*lines, "", f"Recall of the two passes less that of the full one: {lost:+.3f}, spread {gap:.3f}."]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", required=True, metavar="FOLDER[=HALF]", help="pretrained model")
    parser.add_argument("--simulated", type=int, default=90, help="simulated exposures")
    parser.add_argument("--seed", type=int, default=4711)
    parser.add_argument("--write", type=Path, help="put the table between the marks in this page")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    sample = simulated(arguments.simulated, arguments.seed, processes=min(2, os.cpu_count() or 1))
    lines = []
    for words in arguments.model:
        folder, _, half_folder = words.partition("=")
        whole = preview_vit.PreviewTransformer(folder)
        half = half_of(whole.model, half_folder)
        trained = "trained at half size" if half_folder else "the same weights"
        lines += [f"Objective {whole.story['settings']['objective']}, {trained} for the first pass.", ""]
        lines += [*report(whole.model, half, sample), ""]
    text = "\n".join(lines).rstrip()
    print(text)
    if arguments.write:
        page = arguments.write.read_text()
        before, after = page.split(BEGIN)[0], page.split(END)[1]
        arguments.write.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")


if __name__ == "__main__":
    main()
