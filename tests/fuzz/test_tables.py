"""Readers of text: of any damage only the documented errors come out."""

from random import Random

import pytest

from avsc import params
from avsc.artifacts import manifest, prediction_tables, truth
from avsc.datasets import tau
from avsc.datasets.offenders import DatasetError
from tests.fuzz.mutations import TEXT, cases, only_documented

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800, method="thread")]

SCENES = ("bus", "park", "tram")
HEADER = "filename_audio\tfilename_video\tscene_label\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


# data sets


def line(scene, place, segment):
    name = f"{scene}-{place}-{segment}"
    return f"audio/{name}.wav\tvideo/{name}.mp4\t{scene}\n"


TRAIN = HEADER + "".join(
    line(scene, f"lyon-{place}", 10 * place + k)
    for scene in SCENES
    for place in range(2)
    for k in range(2)
)
TEST = HEADER + "".join(line(scene, f"paris-{9 + i}", 99) for i, scene in enumerate(SCENES))


@pytest.fixture(scope="module")
def data_set(folder):
    root = folder / "set"
    for text in (TRAIN, TEST):
        for row in text.splitlines()[1:]:
            for path in row.split("\t")[:2]:
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(path)
    (root / "evaluation_setup").mkdir()
    (root / "evaluation_setup/fold1_evaluate.csv").write_text(TEST)
    return root


@cases(TEXT)
def test_of_a_damaged_data_set_comes_an_index_or_the_list_of_its_faults(data_set, damage, seed):
    content = damage(TRAIN.encode(), TEST.encode(), Random(seed))
    (data_set / "evaluation_setup/fold1_train.csv").write_bytes(content)
    try:
        rows = tau.index(data_set, seed=1)
    except DatasetError as error:
        if not str(error).startswith(str(data_set)):
            raise
    else:
        inside = data_set.resolve()
        for row in rows:
            assert inside in (data_set / row.audio).resolve().parents
            assert inside in (data_set / row.video).resolve().parents


# manifests, each with the digest of what the damage left

MEDIA = "clip_id,fold,audio,video,audio_sha256,video_sha256,\n" + "".join(
    f"{c},{fold},audio/{c}.wav,video/{c}.mp4,{i:064x},{i + 9:064x},\n"
    for i, (c, fold) in enumerate([("a", "train"), ("b", "test"), ("c", "train")])
)
LABELS = "clip_id,scene_label,city,location,split,\n" + "".join(
    f"{c},{scene},lyon,lyon-{i},{('train', 'val')[i % 2]},\n"
    for i, (c, scene) in enumerate(zip("abc", SCENES, strict=True))
)


@cases(TEXT, share=0.4)
def test_a_damaged_media_csv_is_refused_or_names_files_inside_the_root(folder, damage, seed):
    path = folder / "media.csv"
    path.write_bytes(manifest.sealed(damage(MEDIA.encode(), LABELS.encode(), Random(seed))))
    for row in only_documented(lambda p: manifest.read(p, manifest.MEDIA), path) or []:
        for kind in ("audio", "video"):
            file = (folder / "root" / row[kind]).resolve()
            assert folder.resolve() / "root" in file.parents


@cases(TEXT, share=0.4)
def test_a_damaged_labels_csv_is_refused_or_has_each_clip_once_in_a_split(folder, damage, seed):
    path = folder / "labels.csv"
    path.write_bytes(manifest.sealed(damage(LABELS.encode(), MEDIA.encode(), Random(seed))))
    rows = only_documented(lambda p: manifest.read(p, manifest.LABELS), path) or []
    assert {row["split"] for row in rows} <= {"train", "val", "test"}
    assert len({row["clip_id"] for row in rows}) == len(rows)


TRUTH = "clip_id,second,events,objects\na,0,bell;wind,car\na,1,,\nb,0,horn,\n"


@cases(TEXT, share=0.2)
def test_a_damaged_truth_is_refused_or_has_whole_seconds(folder, damage, seed):
    path = folder / "truth.csv"
    path.write_bytes(damage(TRUTH.encode(), LABELS.encode(), Random(seed)))
    found = only_documented(truth.read, path) or {}
    assert all(second >= 0 for _, second in found)


# prediction files

BASELINE = "filename_audio_video\tscene_label\tbus\tpark\ttram\n" + "".join(
    f"bus-lyon-1-2_{k}.wav.mp4\tbus\t0.5\t0.25\t0.25\n" for k in range(5)
)
COURSE = "aid,scene_pred,scene_label,bus,park,tram\n" + "".join(
    f"park-lyon-1-{k},park,tram,0.125,0.75,0.125\n" for k in range(5)
)


@cases(TEXT, share=0.5)
@pytest.mark.parametrize("text", [BASELINE, COURSE], ids=["baseline", "course"])
def test_a_damaged_prediction_file_is_refused_or_has_a_row_of_numbers_an_item(
    folder, text, damage, seed
):
    path = folder / "predictions.csv"
    path.write_bytes(damage(text.encode(), BASELINE.encode(), Random(seed)))
    table = only_documented(prediction_tables.read, path)
    assert table is None or table.probs.shape == (len(table.clip_id), len(table.classes))


@cases(TEXT, share=0.5)
def test_a_damaged_file_of_labels_is_refused_or_has_one_scene_a_clip(folder, damage, seed):
    path = folder / "truth.csv"
    path.write_bytes(damage(COURSE.encode(), TEST.encode(), Random(seed)))
    assert only_documented(prediction_tables.read_labels, path) != {}


# params

PARAMS = """\
data: demo
seed: 1  # a comment
index: {root: data/raw/demo, val_fraction: 0.1, columns: {audio: "wav", 'video': mp4}}
train:
  early:
    fit: {epochs: 25, lr: 1.0e-3}
    views: [audio, video]
  late: {fit: {epochs: 3}}
  text: |
    two
    lines
ensemble: {average: {members: [early, late, none], head: average}}
"""


@cases(TEXT)
def test_damaged_params_are_refused_or_give_what_is_asked_for(folder, damage, seed):
    path = folder / "params.yaml"
    path.write_bytes(damage(PARAMS.encode(), PARAMS.encode(), Random(seed)))
    only_documented(
        lambda p: params.load("train.early.fit", root=p.parent), path, errors=(ValueError, KeyError)
    )
