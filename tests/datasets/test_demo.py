import csv
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from avsc.datasets import demo
from avsc.datasets.demo import recording, scenes

TINY = {
    "scenes": ("bus", "park"),
    "cities": ("lyon", "prague"),
    "train_locations": 2,
    "test_locations": 1,
    "clips_per_location": 1,
    "seconds": 2,
    "width_px": 64,
    "height_px": 48,
    "fps": 5,
    "workers": 1,
}
MEDIA = ["filename_audio", "filename_video"]


def write(parent: Path, **changes) -> Path:
    demo.write(parent / "world", truth=parent / "truth.csv", **({"seed": 1} | TINY | changes))
    return parent / "world"


def contents(parent: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(parent)): path.read_bytes()
        for path in parent.rglob("*")
        if path.is_file()
    }


def table(path: Path, delimiter: str = "\t") -> tuple[list[str], list[list[str]]]:
    header, *rows = csv.reader(path.read_text().splitlines(), delimiter=delimiter)
    return header, rows


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write(tmp_path_factory.mktemp("demo"))


def test_meta_has_the_columns_and_the_names_of_tau(root):
    header, rows = table(root / "meta.csv")
    assert header == [*MEDIA, "scene_label", "identifier"]
    clips = [
        "bus-lyon-1001-40001",
        "bus-lyon-1005-40005",
        "bus-prague-1002-40002",
        "park-lyon-1003-40003",
        "park-prague-1004-40004",
        "park-prague-1006-40006",
    ]
    assert [row[:2] for row in rows] == [[f"audio/{c}.wav", f"video/{c}.mp4"] for c in clips]
    assert [row[2] for row in rows] == ["bus"] * 3 + ["park"] * 3
    assert [row[3] for row in rows[:3]] == ["lyon-1001", "lyon-1005", "prague-1002"]


def test_only_the_test_list_hides_the_scenes(root):
    names = ("train", "test", "evaluate")
    lists = {name: table(root / f"evaluation_setup/fold1_{name}.csv") for name in names}
    assert lists["train"][0] == lists["evaluate"][0] == [*MEDIA, "scene_label"]
    assert lists["test"][0] == MEDIA
    assert lists["test"][1] == [row[:2] for row in lists["evaluate"][1]]
    assert [row[2] for row in lists["train"][1]] == ["bus", "bus", "park", "park"]
    assert [row[2] for row in lists["evaluate"][1]] == ["bus", "park"]


def test_folds_share_no_location_and_both_have_every_city(root):
    identifier = {row[0]: row[3] for row in table(root / "meta.csv")[1]}
    train, test = (
        {identifier[row[0]] for row in table(root / f"evaluation_setup/fold1_{fold}.csv")[1]}
        for fold in ("train", "evaluate")
    )
    assert train | test == set(identifier.values())
    assert not train & test
    for fold in (train, test):
        assert {place.split("-")[0] for place in fold} == {"lyon", "prague"}


def test_sounds_are_stereo_wavs_of_24_bits_at_48_khz(root):
    for path in (root / "audio").iterdir():
        info = soundfile.info(path)
        assert (info.samplerate, info.subtype, info.channels) == (48000, "PCM_24", 2)
        assert info.frames == 2 * 48000
        samples, _ = soundfile.read(path)
        assert 0.001 < np.abs(samples).max() < 1


def test_videos_are_h264_without_sound(root):
    for path in (root / "video").iterdir():
        with av.open(path) as container:
            assert [stream.type for stream in container.streams] == ["video"]
            stream = container.streams.video[0]
            assert stream.codec_context.name == "h264"
            assert (stream.width, stream.height, stream.pix_fmt) == (64, 48, "yuv420p")
            assert stream.duration * stream.time_base == 2
            frames = list(container.decode(video=0))
        assert [frame.time for frame in frames] == [k / 5 for k in range(10)]
        assert [k for k, frame in enumerate(frames) if frame.key_frame] == [0, 5]


def test_truth_names_events_and_objects_of_every_second(root):
    header, rows = table(root.parent / "truth.csv", delimiter=",")
    assert header == ["clip_id", "second", "events", "objects"]
    clips = {Path(row[0]).stem for row in table(root / "meta.csv")[1]}
    assert sorted((row[0], row[1]) for row in rows) == [(c, s) for c in sorted(clips) for s in "01"]
    for names, known in ((2, demo.EVENTS), (3, demo.OBJECTS)):
        found = {name for row in rows for name in row[names].split(";")}
        assert found - {""} <= set(known)
        assert found - {""}


def test_the_data_set_says_that_it_is_a_demo(root):
    assert (root / "README.md").read_text().startswith("DEMO: a synthetic data set")


def test_the_same_seed_gives_the_same_bytes_and_another_gives_others(root, tmp_path):
    again = write(tmp_path / "again")
    other = write(tmp_path / "other", seed=2)
    assert contents(again.parent) == contents(root.parent)
    for name, media in contents(other.parent).items():
        if name.endswith((".wav", ".mp4")):
            assert media != (root.parent / name).read_bytes()


def test_encoding_a_clip_again_and_again_in_one_process_gives_the_same_bytes(tmp_path):
    clip = recording.Recording(
        scene="park", location="a-1", segment=1, seed=1, seconds=2, width_px=64, height_px=48, fps=5
    )
    truth, path = recording.happen(clip), tmp_path / "clip.mp4"
    files, litter = set(), []
    for k in range(30):
        path.write_bytes(recording._mp4(clip, truth))
        files.add(path.read_bytes())
        litter.append(np.full(10007 * k, k, np.uint8))  # other memory for the next encoder
    assert len(files) == 1


@pytest.mark.slow
def test_the_number_of_processes_changes_no_byte(root, tmp_path):
    assert contents(write(tmp_path, workers=2).parent) == contents(root.parent)


def test_a_location_keeps_its_nuisances_and_does_not_know_its_scene():
    settings = {"seed": 1, "seconds": 1, "width_px": 64, "height_px": 48, "fps": 5}
    clips = [
        recording.Recording(scene=scene, location=location, segment=segment, **settings)
        for scene, location, segment in (
            ("bus", "lyon-1", 1),
            ("park", "lyon-1", 2),
            ("bus", "lyon-2", 3),
        )
    ]
    for draw in (recording.Acoustics.draw, recording.Look.draw):
        here, same, elsewhere = (draw(clip.rng("place", clip.location)) for clip in clips)
        assert here == same
        assert here != elsewhere


def log_likelihood(present, probability):
    present = present.astype(float)
    return present @ np.log(probability).T + (1 - present) @ np.log(1 - probability).T


def test_events_or_objects_alone_confuse_scenes_that_both_together_tell_apart():
    rng, scene = np.random.default_rng(0), np.repeat(np.arange(10), 1000)
    score = {}
    for name, probability in (
        ("events", scenes.EVENT_PROBABILITY),
        ("objects", scenes.OBJECT_PROBABILITY),
    ):
        present = rng.random((len(scene), probability.shape[1])) < probability[scene]
        score[name] = log_likelihood(present, probability)
    score["both"] = score["events"] + score["objects"]
    best = {name: np.mean(s.argmax(axis=1) == scene) for name, s in score.items()}
    assert 0.6 < best["events"] < 0.75
    assert 0.6 < best["objects"] < 0.75
    assert 0.83 < best["both"] < 0.95
    assert best["both"] - max(best["events"], best["objects"]) > 0.1


@pytest.mark.parametrize("kind", ["EVENT", "OBJECT"])
def test_nothing_is_a_label_in_disguise(kind):
    probability = getattr(scenes, f"{kind}_PROBABILITY")
    assert ((probability >= 0.15).sum(axis=0) >= 3).all()
    assert (probability.max(axis=0) < 0.5 * probability.sum(axis=0)).all()
    assert ((probability > 0) & (probability < 1)).all()


@pytest.mark.parametrize("persistence", [0, 0.5, 1])
def test_persistence_leaves_the_probability_of_a_second_alone(persistence):
    rng, probability = np.random.default_rng(0), np.array([0, 0.2, 0.7, 1])
    draws = np.stack(
        [scenes.sample(rng, probability, seconds=3, persistence=persistence) for _ in range(2000)]
    )
    # 5 standard errors of a proportion of 2000
    np.testing.assert_allclose(draws.mean(axis=0), [probability] * 3, atol=5 * 0.5 / 2000**0.5)
    changed = np.mean(draws[:, 1:] != draws[:, :-1], axis=(0, 1))
    expected = (1 - persistence) * 2 * probability * (1 - probability)
    np.testing.assert_allclose(changed, expected, atol=5 * 0.5 / 4000**0.5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scenes": ("bus", "office")}, r"unknown scenes \['office'\]; choose from airport, bus"),
        ({"seconds": 0, "cities": ()}, r"found {'cities': 0, 'seconds': 0}, expected at least 1"),
        ({"width_px": 33}, r"found {'width_px': 33}; H.264 takes even sizes"),
    ],
)
def test_arguments_out_of_range_are_named(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        write(tmp_path, **changes)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_holds_something_is_not_written_over(tmp_path):
    (tmp_path / "world").mkdir()
    (tmp_path / "world/meta.csv").touch()
    with pytest.raises(FileExistsError, match="world is not empty; remove it, or write"):
        write(tmp_path)
