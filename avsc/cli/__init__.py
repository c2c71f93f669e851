"""The command `avsc`; each file here is a command, or a group of them."""

import gc
import logging

import typer

from avsc import escaping
from avsc.cli import bench, data, params, predict, report, results, score, submission, weights
from avsc.cli.examples import taught
from avsc.cli.results import read_metrics

__all__ = ["app", "read_metrics"]

gc.set_threshold(100_000)  # by default it takes a fifth of the time that imports take

app = typer.Typer(
    help="Audio-visual scene classification: which scene is it, by what is heard and seen?",
    epilog="`avsc COMMAND --help` shows examples; `avsc --install-completion` teaches your shell.",
    no_args_is_help=True,
)


@app.callback()
def avsc() -> None:
    """Audio-visual scene classification: which scene is it, by what is heard and seen?"""
    if logging.lastResort:
        logging.lastResort.addFilter(escaping.log_record)


taught(
    app,
    predict.predict,
    "avsc predict holiday.mp4                                  # a table",
    "avsc predict *.mkv --format csv --output scenes.csv",
    "avsc predict clip.mp4 --audio clip.wav --plot clip.png    # sound of its own",
    "avsc predict *.mp4 --audio recordings/                    # <name>.wav",
    "avsc predict clip.mp4 --experiment early --format json",
    "avsc predict --evaluation-set data/raw/tau2021-evaluation",
)
taught(
    app,
    score.score,
    "avsc score predictions.tsv",
    "avsc score predictions.tsv --labels data/raw/tau2021/evaluation_setup/fold1_evaluate.csv",
)
taught(
    app,
    results.results,
    "avsc results",
    "avsc results --update README.md",
    "avsc results --against HEAD~1",
    "avsc results --against main --output comment.md    # for a pull request",
)
taught(app, report.report, "avsc report", "avsc report --rebuild", "avsc report --no-open")
taught(app, bench.bench, "avsc bench", "avsc bench --list", "avsc bench semantic_fusion")
app.add_typer(data.app, name="data")
app.add_typer(params.app, name="params")
app.add_typer(submission.app, name="submission")
app.add_typer(weights.app, name="weights")
