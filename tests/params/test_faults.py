"""Each mistake in a profile is found, at its key, with what is allowed and the nearest name."""

import copy
from pathlib import Path

import pytest

from avsc.params.fields import Parser
from avsc.params.profile import Profile
from tests import params_files

DEMO = params_files.read(Path(__file__).parents[2] / "params/demo")
DEMO["study"] = {}
TWO_CUTS = DEMO["pseudo_label"]["events"] | {"quantile": 0.9}
GONE = object()


def faults_of(*changes):
    """Return (key, text) of what is wrong with the demo after changes of dotted keys."""
    tree = copy.deepcopy(DEMO)
    for key, value in changes:
        *parents, last = key.split("/")
        block = tree
        for parent in parents:
            block = block.setdefault(parent, {})
        if value is GONE:
            del block[last]
        else:
            block[last] = value
    parser = Parser(tree)
    parser.parse(Profile, tree, ())
    return {("/".join(map(str, f.at)), f.text) for f in parser.faults}


def test_the_demo_is_without_fault():
    assert faults_of() == set()


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("train/gated/fit/learning_rate", 0.1, "no such key; did you mean lr?"),
        ("train/gated/fit/epoch", 3, "no such key; did you mean epochs?"),
        ("train/gated/fit/lr", "1e-05x", "expected a number above 0, got '1e-05x'"),
        ("train/gated/fit/lr", 0, "expected a number above 0, got 0"),
        ("train/gated/fit/epochs", 1.5, "expected a whole number from 1 on, got 1.5"),
        ("train/gated/fit/epochs", True, "expected a whole number from 1 on, got true"),
        ("train/gated/fit/temperature", 1, "expected true or false, got 1"),
        ("train/gated/fit/optimizer", "adamm", "expected one of adam, adamw, sgd, got 'adamm'; d"),
        ("train/gated/fit/momentum", 1, "expected a number from 0 to 1 (excluded), got 1"),
        (
            "train/weighted/fit/schedule/name",
            "platau",
            "no schedule 'platau'; did you mean plateau",
        ),
        ("train/weighted/fit/schedule/patiance", 3, "takes no patiance; did you mean patience?"),
        ("train/early/fit/infonce", 0.1, "head early has no branch_embeddings; set it to 0 or tak"),
        ("train/gated/head", "gatd", "no head 'gatd' in avsc/heads/; did you mean gated?"),
        ("train/gated/hparams", {"widht": 3}, ""),
        ("train/gated/hparams", [], "expected keys and values, got []"),
        ("train/chen_joint/hparams/mode", "jonit", "expected joint or pipeline, got 'jonit'; did"),
        ("train/chen_joint/hparams/dropout", 1, "expected a number from 0 to 1 (excluded), got 1"),
        ("train/chen_joint/inputs", "av", "head joint takes audio with rows of 3 axes, found 1"),
        (
            "train/gated/inputs",
            "asst",
            "no entry 'asst' of embed or import_features or bundle; did",
        ),
        ("train/gated/inputs", "ast", "head gated fuses audio and video, but there is audio alone"),
        ("train/gated/inputs", "features", "expected one entry of audio, one of video, or both"),
        ("train/gated/inputs", GONE, "missing; expected the name of an entry of embed or import_f"),
        ("train/gated/views", ["audio"], "ast has no views; give that entry `views:`, or drop au"),
        ("train/video/views", ["audio"], "convnext has no audio"),
        ("train/gated/views", "video", "expected a list, each audio or video, got 'video'"),
        ("train/ceoa_sf/labels", "none", "head ceoa_sf learns from pseudo-labels"),
        ("train/gated/labels", "labels.csv", "expected none or pseudo_labels.parquet, got 'labels"),
        ("train/v1.0", {}, "DVC cannot carry the name 'v1.0'; expected letters, digits, _ and -"),
        ("train/two words", {}, "DVC cannot carry the name 'two words'"),
        ("train/a@b", {}, "DVC cannot carry the name 'a@b'"),
        ("train/2021", {}, "DVC cannot carry the name '2021'"),
        ("train/decode", DEMO["train"]["early"], "is a name that other stages use in metrics/"),
        ("ensemble/gated", DEMO["ensemble"]["average"], "is the name of an experiment, too; ren"),
        ("train/gated/fit.lr", 0.1, "no such key; write it as `fit: {lr: ...}`"),
        ("embed/ast/encoder", "asst", "no encoder 'asst' in avsc/encoders/; did you mean ast?"),
        ("embed/ast/hop", 3, "encoder ast takes no hop"),
        ("embed/fbank/n_mels", "many", "expected a whole number, got 'many'"),
        ("embed/fbank/weights", "random", "this encoder has no weights; expected none"),
        ("embed/ast/weights", "none", "this encoder is a network; expected random, pretrained or"),
        ("embed/ast/weights", "asst.safetensors", "makes 'asst.safetensors', nor is it in data/we"),
        ("embed/convnext/views/scales", [0.5, 1], "takes no scales; did you mean scale?"),
        ("embed/convnext/views/count", 0, "expected a whole number from 1 on, got 0"),
        ("embed/convnext/precision", "float16", "expected float32 or bfloat16, got 'float16'"),
        ("bundle/av", ["ast"], "expected two different entries, got ['ast']"),
        ("bundle/av", ["ast", "none"], "no entry 'none' of embed or import_features or bundle"),
        ("bundle/av", ["av", "ast"], "holds itself"),
        (
            "bundle/ast",
            ["fbank", "convnext"],
            "is an entry of embed and of bundle; both write data",
        ),
        ("bundle_disturbed/av", ["convnext", "ast"], "as in bundle.av"),
        (
            "pretrain/ast/encoder",
            "clap",
            "expected 'ast' as in embed.ast, got 'clap'; DVC needs it",
        ),
        (
            "pretrain/asst",
            DEMO["pretrain"]["ast"],
            "expected the name of an entry of embed; did yo",
        ),
        ("pseudo_label/events/tagger", "fbank", "fbank (fbank) scores no classes; take another"),
        ("pseudo_label/events/tagger", "convnext", "is an encoder of video, expected one of audio"),
        ("pseudo_label/events", TWO_CUTS, "expected either threshold or quantile"),
        ("ensemble/average/members", ["early", "gatd", *["none"] * 4], "did you mean gated?"),
        ("ensemble/average/members", ["early"], "expected 6 names (`none` fills what is left), go"),
        ("ensemble/average/members", ["early", "early", *["none"] * 4], "early stands there twice"),
        ("compare/gated_audio/other", "gated", "is the same as one"),
        ("compare/gated_audio/another", "gated", "no such key; did you mean other?"),
        ("fusion/gated/video", "audio", "expected a system of video, got one of audio"),
        ("map/ceoa_sf/inputs", "chen", "expected 'av' as in train.ceoa_sf, got 'chen'"),
        ("map/ceoa_sf/of", "embedding", "head ceoa_sf of ceoa_sf has no embedding to draw"),
        ("map/ceoa_sf/audio", "ast", "write `inputs: ast` in place of audio: and video:"),
        ("disturb/ast/weights", "random", "expected 'ast.safetensors' as in embed.ast"),
        (
            "disturb/ast/blur_px",
            [1],
            "no such key; expected one of white_noise_db, pink_noise_db, ",
        ),
        ("disturb/ast/gain_db", [-20, -20], "a strength stands there twice"),
        ("disturb/ast/gain_db", -20, "expected a list, each a number, got -20"),
        (
            "robustness/gatd",
            {"inputs": "av"},
            "expected the name of an experiment; did you mean ga",
        ),
        ("robustness/gated/inputs", "chen", "expected 'av' as in train.gated, got 'chen'"),
        ("robustness/video", {"inputs": "convnext", "missing": ["video"]}, ""),
        ("robustness/early/shift_s", [10], "within clips of 10 s, got 10"),
        ("robustness/chen_joint", {"inputs": "chen"}, ""),
        ("report/systems", ["gated"], "expected 12 names (`none` fills what is left), got 1"),
        ("report/clips", "all", "expected a whole number from 1 on or null, got 'all'"),
        ("decode/sample_rate", "16 kHz", "expected a whole number from 1 on (Hz), got '16 kHz'"),
        ("decode/on_error", "skip", "expected stop or quarantine, got 'skip'"),
        ("index/watch", "data/raw", "expected data/raw/demo or a path inside it, got 'data/raw'"),
        ("index/val_fraction", 1, "expected a number from 0 (excluded) to 1 (excluded), got 1"),
        ("executor", "rai", "expected local or ray or keys (name), got 'rai'"),
        ("executor", {"name": "ray", "nodes": 3}, ""),
        ("synthesize/demo/places", 3, "write takes no places"),
        ("seed", "2021", "expected a whole number from 0 on, got '2021'"),
        ("trian", {}, "no such key; did you mean train?"),
        ("map", GONE, "missing; expected keys and values"),
        ("map", None, "expected keys and values, got null"),
    ],
)
def test_a_mistake_is_found_at_its_key(key, value, text):
    found = faults_of((key, value))
    assert any(k.startswith(key) and text in t for k, t in found), found


def test_a_head_that_can_do_less_with_one_modality_says_what_it_needs():
    found = faults_of(("train/ceoa_sf/inputs", "ast"))
    text = "head ceoa_sf needs null where there is audio alone"
    assert ("train/ceoa_sf/hparams/ceoa", text) in found


def test_old_slots_of_sound_and_pictures_show_the_new_lines():
    old = {"audio": "ast", "video": "convnext", "labels": "none", "head": "early"}
    found = faults_of(("train/old", old))
    text = (
        "no such key any more; write `inputs: av` in place of audio: and video:, and "
        "`bundle: {av: [ast, convnext]}` at the top of the file"
    )
    assert ("train/old/audio", text) in found


def test_all_faults_are_found_at_once():
    changes = [("seed", "x"), ("train/gated/head", "gatd"), ("map/ceoa_sf/of", 1), ("trian", {})]
    keys = {key for key, _ in faults_of(*changes)}
    assert {"seed", "train/gated/head", "map/ceoa_sf/of", "trian"} <= keys
