"""train <experiment>: data/embeddings, training labels -> data/models, data/predictions."""

import sys
from pathlib import Path

from avsc import experiment, params
from avsc.artifacts import metrics, models, predictions
from avsc.artifacts.code_digests import Sources
from avsc.params.experiments import Experiment


def main(name: str) -> None:
    block = params.load(f"train.{name}", Experiment)
    data = experiment.load(block)
    fitted = experiment.fit(block, data, seed=block.get("seed", params.load("seed")))
    code = Sources().digest([f"avsc/heads/{block['head']}.py"])  # who reads the model depends on it
    config = {"experiment": name, "code": code, **fitted.config}
    models.write(Path("data/models") / name, fitted.system.state_dict(), config)
    predictions.write(
        Path(f"data/predictions/{name}.parquet"),
        {s: experiment.predictions(fitted, data, s) for s in ("val", "test")},
    )
    metrics.write_table(Path(f"metrics/{name}/history.csv"), fitted.history)


if __name__ == "__main__":
    main(sys.argv[1])
