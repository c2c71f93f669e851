"""avsc predict: which scene a video shows, second by second."""

import os
import sys
from collections.abc import Callable, Iterator
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avsc.artifacts import whole
from avsc.cli.outputs import written
from avsc.cli.telling import FAILED, USAGE, say, show, stop

if TYPE_CHECKING:  # what needs torch is loaded when a command runs, not for --help
    from avsc.cli.timelines import Classified
    from avsc.trained import Predictor

INTERRUPTED = 130
PLOTS = (".png", ".svg", ".html")
Chooser = Callable[[str | None], "Predictor"]  # of the modality that a file lacks
REFUSED = (FileNotFoundError, KeyError, TypeError, ValueError, ModuleNotFoundError)


class Format(StrEnum):
    """How to show probabilities."""

    table = "table"
    json = "json"
    csv = "csv"


def _complete(incomplete: str) -> list[str]:
    models = Path("data/models").glob(f"{incomplete}*/config.json")
    return sorted(path.parent.name for path in models)


def predict(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE...", help="mp4, mkv, webm, mov ...; sounds too"),
    ] = None,
    *,
    audio: Annotated[
        list[Path] | None,
        typer.Option(help="sound of each FILE, in their order; or one folder of <name>.wav"),
    ] = None,
    experiment: Annotated[
        str | None,
        typer.Option(
            autocompletion=_complete,
            help="a trained system",
            show_default="lowest log-loss on the validation fold",
        ),
    ] = None,
    format_: Annotated[
        Format | None,
        typer.Option("--format", show_default="what --output ends with, else table"),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="where to write", show_default="stdout")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="timeline, to .png, .svg or .html")] = None,
    evaluation_set: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="DCASE 2021 task 1B: write a submission"),
    ] = None,
    project: Annotated[
        Path, typer.Option(exists=True, file_okay=False, help="where params.yaml and data/ are")
    ] = Path(),
) -> None:
    """Say which scene each FILE shows: probabilities every second, and for the whole file.

    Files are decoded and encoded as in the pipeline, so a clip of the data set gets the
    probabilities that data/predictions holds. The probabilities of the whole are the mean over the
    seconds. An experiment of clips is given windows of their length, of which the last ends with
    the file; a second that two windows hold counts with the earlier one. A file without sound, or
    without pictures, is given to the best experiment that does not use them or was also trained
    without (fit.modality_dropout), and stderr says so.

    Exits with 0 if all went well, 1 if a file failed (the others are predicted), 2 if it could not
    start. Interrupted, it leaves no half-written file.
    """
    try:
        if evaluation_set:
            _check_set(files, audio, format_, plot)
            _submit(evaluation_set, output, _chooser(experiment, project)(None))
        else:
            chosen = _check(files, format_, output, plot)
            pairs = _pairs(files or [], audio or [])
            _files(pairs, chosen, output, plot, _chooser(experiment, project))
    except whole.NotWrittenError as error:
        stop(error)
    except KeyboardInterrupt as error:
        say("stopped; nothing was written")
        raise typer.Exit(INTERRUPTED) from error


def _check(
    files: list[Path] | None, format_: Format | None, output: Path | None, plot: Path | None
) -> Format:
    """Refuse what cannot work before anything is computed."""
    if not files:
        stop(
            "name a FILE, or an --evaluation-set; `avsc predict --help` shows examples", code=USAGE
        )
    if plot and plot.suffix.lower() not in PLOTS:
        stop(f"--plot {plot} ends with none of {', '.join(PLOTS)}", code=USAGE)
    for path in filter(None, (output, plot)):
        _check_folder(path)
    ending = output.suffix.lower().removeprefix(".") if output else ""
    return format_ or (Format(ending) if ending in list(Format) else Format.table)


def _check_folder(path: Path) -> None:
    if path.is_dir() or not path.resolve().parent.is_dir():
        stop(f"{path} is a folder, or is to be in one that is not there; name a file", code=USAGE)


def _check_set(
    files: list[Path] | None, audio: list[Path] | None, format_: Format | None, plot: Path | None
) -> None:
    if files or audio or plot or format_:
        stop(
            "--evaluation-set writes a submission: FILE, --audio, --format and --plot do not go "
            "with it",
            code=USAGE,
        )


def _pairs(files: list[Path], audio: list[Path]) -> list[tuple[Path, Path | None]]:
    """Return each file and where its sound comes from."""
    if not audio:
        return [(file, None) for file in files]
    if len(audio) == 1 and audio[0].is_dir():
        return [(file, audio[0] / f"{file.stem}.wav") for file in files]
    if len(audio) != len(files):
        stop(f"{len(audio)} --audio for {len(files)} files; give one for each", code=USAGE)
    return list(zip(files, audio, strict=True))


def _chooser(name: str | None, project: Path) -> Chooser:
    """Return what gives the experiment for files that lack a modality, or for those that have both.

    It is the named one, or the best on the validation fold of those that can answer such files.
    """
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # of weights that are being loaded
    from avsc import trained

    try:
        ranked = [name] if name else trained.ranked_on_validation(project)
        best = trained.load(ranked[0], project)
    except REFUSED as error:
        stop(error, code=USAGE)
    if not name:
        say(f"experiment {best.experiment}: the lowest log-loss on the validation fold")

    @cache
    def choose(lacking: str | None) -> "Predictor":
        if name or lacking is None:
            return best
        try:
            able = (n for n in ranked if trained.answers_without(n, lacking, project))
            chosen = next(able, best.experiment)
            return best if chosen == best.experiment else trained.load(chosen, project)
        except REFUSED as error:
            stop(error, code=USAGE)

    return choose


def _files(
    pairs: list[tuple[Path, Path | None]],
    format_: Format,
    output: Path | None,
    plot: Path | None,
    choose: Chooser,
) -> None:
    from avsc.cli import timelines

    streamed = format_ is Format.table and output is None
    done: list[Classified] = []
    for found in _classified(pairs, choose):
        done.append(found)
        if streamed and found.timeline:
            timelines.show(found)
    failed = sum(not found.timeline for found in done)
    if not streamed:
        text = timelines.written(done, choose(None), format_.value)
        if output:
            with written(output) as path:
                path.write_text(text, "utf-8")
        else:
            show(text)
    if plot and failed < len(done):
        with written(plot) as path:
            path.write_bytes(timelines.drawn(done, plot.suffix.lower()))
    if failed:
        say(f"{failed} of {len(done)} files failed")
        raise typer.Exit(FAILED)


def _classified(pairs: list[tuple[Path, Path | None]], choose: Chooser) -> Iterator["Classified"]:
    """Yield each file's probabilities, or why there are none, under a bar on stderr."""
    from tqdm import tqdm

    from avsc import prediction, recording
    from avsc.cli.timelines import Classified
    from avsc.media import DecodeError

    for file, audio in tqdm(pairs, desc="predict", unit="file", disable=_quiet(len(pairs))):
        with tqdm.external_write_mode(file=sys.stdout):
            best = by = choose(None)
            try:
                found = recording.read(file, audio, best.decode)
                by = choose(prediction.lacking(found))
                timeline = prediction.predict(by, found)
            except (DecodeError, OSError, ValueError) as error:
                say(f"error: {error}" if str(file) in str(error) else f"error: {file}: {error}")
                yield Classified(file, audio, by, None, str(error))
                continue
            if by is not best:
                say(f"note: {file}: {by.experiment} answers in place of {best.experiment}")
            for note in timeline.notes:
                say(f"note: {file}: {note}")
            yield Classified(file, audio, by, timeline, "")


def _quiet(count: int) -> bool | None:
    return True if count < 2 else None  # None: tqdm shows its bar on a terminal alone


def _submit(root: Path, output: Path | None, predictor: "Predictor") -> None:
    import numpy as np
    from tqdm import tqdm

    from avsc import prediction
    from avsc.artifacts import submission
    from avsc.datasets import evaluation_set
    from avsc.media import DecodeError

    target = output or Path("submission.csv")
    _check_folder(target)
    try:
        items = evaluation_set.items(root)
        found = prediction.isolated(
            predictor, [(i.audio, i.video) for i in items], threads=os.cpu_count() or 1
        )
        probs = np.full((len(items), len(predictor.scenes)), 1 / len(predictor.scenes))
        lost = 0
        for i, row in enumerate(tqdm(found, total=len(items), desc="predict", disable=None)):
            if isinstance(row, DecodeError):
                lost += 1
                say(f"error: {row}")
            else:
                probs[i] = row
    except REFUSED as error:
        stop(error, code=USAGE)
    with written(target) as path:
        submission.write(path, [i.name for i in items], probs, predictor.scenes)
    say(f"{target}: {len(items)} items by {predictor.experiment}")
    if lost:
        stop(f"{lost} of {len(items)} items could not be decoded; every scene is as likely there")
