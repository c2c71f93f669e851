"""A whole profile: every section of params.yaml and studies.yaml, checked at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from avsc.params import reading
from avsc.params.analyses import Compare, Fusion, Map, Robustness
from avsc.params.checks import Name
from avsc.params.data import Decode, DemoWorld, Index
from avsc.params.encoders import Disturb, Embed, Pretrain
from avsc.params.executors import Executor
from avsc.params.experiments import Ensemble, Experiment
from avsc.params.features import ImportFeatures
from avsc.params.finetune import Finetune
from avsc.params.inputs import Bundle, BundleDisturbed
from avsc.params.labels import PseudoLabel
from avsc.params.report import Report
from avsc.params.study import Study


@dataclass(frozen=True)
class Profile:
    """All sections.

    Attributes:
        data: what the data set is called; stands beside every score.
        seed: of validation locations, first weights and the order of rows.
        executor: where shards are made; no parameter of any output.
    """

    data: str
    seed: Annotated[int, "x >= 0"]
    executor: Executor
    synthesize: Mapping[Name, DemoWorld]
    index: Index
    decode: Decode
    pretrain: Mapping[Name, Pretrain]
    embed: Mapping[Name, Embed]
    import_features: Mapping[Name, ImportFeatures]
    bundle: Mapping[Name, Bundle]
    pseudo_label: PseudoLabel
    finetune: Mapping[Name, Finetune]
    train: Mapping[Name, Experiment]
    map: Mapping[Name, Map]
    ensemble: Mapping[Name, Ensemble]
    compare: Mapping[Name, Compare]
    fusion: Mapping[Name, Fusion]
    disturb: Mapping[Name, Disturb]
    bundle_disturbed: Mapping[Name, BundleDisturbed]
    robustness: Mapping[Name, Robustness]
    study: Mapping[Name, Study]
    report: Report


def check(root: Path = Path()) -> list[str]:
    """Return every fault of params.yaml and studies.yaml in a folder, a line each.

    Raises:
        FileNotFoundError: if one of the files is not there.
        ParamsError: if one of them is not plain YAML, or has a section of the other.
    """
    return reading.open_in(root).faults(Profile, ())
