"""finetune <name>: data/media, training labels -> data/weights/<name>_{audio,video}.safetensors.

AVSC_PROCESSES processes train together, one for each GPU if it is not set.
"""

import sys
from pathlib import Path

from avsc import finetuning, params, processes
from avsc.artifacts import metrics, weights
from avsc.params.finetune import Finetune


def main(name: str) -> None:
    block = params.load(f"finetune.{name}", Finetune)
    checkpoint = Path(f".avsc/finetune/{name}.safetensors")
    seed = block.get("seed", params.load("seed"))
    tuned = finetuning.tune(block, seed=seed, checkpoint=checkpoint)
    if tuned is None:  # another process has it
        return
    for m in ("audio", "video"):
        state, classes = tuned.weights.get(m, {}), tuned.classes.get(m, [])
        weights.write(Path(f"data/weights/{name}_{m}.safetensors"), state, classes=classes)
    metrics.write_table(Path(f"metrics/finetune/{name}.csv"), tuned.history)
    checkpoint.unlink(missing_ok=True)


if __name__ == "__main__":
    processes.run(main, sys.argv[1])
