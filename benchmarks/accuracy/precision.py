"""How much of what distinguishes images survives bfloat16, for raw and for sky-normalised pixels.

    python -m benchmarks.accuracy.precision

Four images of the same sky level and noise with different stars, a randomly initialised six-layer DINOv2 with
registers; cosine between float32 and bfloat16 vectors, and between their differences to the mean of the four.
"""

import copy

import numpy as np
import torch
from transformers import Dinov2WithRegistersConfig, Dinov2WithRegistersModel

from triptych.pipeline.embedding.dinov2 import PREPARATIONS


def images(n: int = 4) -> list[np.ndarray]:
    """(224, 224) float32 ADU: a sky of 3,000 with stars of growing brightness."""
    rng, found = np.random.default_rng(0), []
    for brightness in range(1, n + 1):
        image = rng.normal(3000, 12, (224, 224)).astype(np.float32)
        image[rng.integers(0, 224, 200), rng.integers(0, 224, 200)] += 2000 * brightness
        found.append(image)
    return found


@torch.inference_mode()
def main() -> None:
    torch.manual_seed(0)
    sizes = {"hidden_size": 192, "num_hidden_layers": 6, "num_attention_heads": 3, "patch_size": 14, "image_size": 28}
    model = Dinov2WithRegistersModel(Dinov2WithRegistersConfig(**sizes)).eval()
    for name, prepare in PREPARATIONS.items():
        batch = torch.from_numpy(np.stack([prepare(image) for image in images()]))[:, None].expand(-1, 3, -1, -1)
        exact = model(pixel_values=batch).last_hidden_state[:, 0]
        rough = copy.deepcopy(model).bfloat16()
        rounded = rough(pixel_values=batch.bfloat16()).last_hidden_state[:, 0].float()
        cosine = torch.nn.functional.cosine_similarity
        whole = cosine(exact, rounded).min()
        apart = cosine(exact - exact.mean(0), rounded - rounded.mean(0)).min()
        print(f"{name}: lowest cosine {whole:.4f}; of differences to the mean {apart:.2f} (n = 4)")


if __name__ == "__main__":
    main()
