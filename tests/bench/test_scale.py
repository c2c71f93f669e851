"""The page on larger data sets: its model by hand, its simulation small."""

import pytest

import avsc.encoders
from avsc.artifacts import extraction
from avsc.encoders.timm_image import TINY
from bench import profile_cost
from bench.scale import __main__ as scale
from bench.scale import cost, simulation
from bench.scale.cost import Step

GIVEN = {
    "gpu": {"name": "a GPU", "peak_tflops": 100, "used": 0.5, "dollars_an_hour": 2.0},
    "cores_per_gpu": 4,
    "core_dollars_an_hour": 0.1,
    "network_mb_s_per_gpu": 100,
    "disk_mb_s_per_gpu": 100,
    "storage_dollars_a_tb_month": 20,
    "clip_mb": 10.0,
    "sets": {"small": 36_000},
    "gpus": [1, 2],
}
STEPS = [Step("decode", 2.0, 0.0, 4e6), Step("ast", 0.8, 5e12, 1e6)]


def test_the_slowest_part_sets_the_time_and_the_price():
    one, two = cost.scaled(STEPS, GIVEN)  # cores 2.8 / 4 = 0.7 s a clip, GPU 5e12 / 5e13 = 0.1 s
    assert one["waits for"] == "cores"
    assert one["hours"] == pytest.approx(7.0)
    assert two["hours"] == pytest.approx(3.5)
    assert one["dollars"] == two["dollars"] == pytest.approx(14.0)
    assert one["GPU busy"] == "14%"
    assert one["media read TB"] == pytest.approx(0.36)
    assert one["cached TB"] == pytest.approx(0.18)


def test_the_network_sets_the_time_where_it_is_slowest():
    slow = GIVEN | {"network_mb_s_per_gpu": 1}
    assert [row["waits for"] for row in cost.scaled(STEPS, slow)] == ["network", "network"]


def test_as_many_cores_keep_a_gpu_busy_as_its_seconds_go_into_theirs():
    assert cost.balance(STEPS, GIVEN)["cores"] == pytest.approx(28.0)


def test_a_step_is_measured_of_one_encoder(tmp_path, monkeypatch):
    decode = {"sample_rate": 16000, "short_side_px": 64, "jpeg_quality": 90}
    _, clip = profile_cost.decoded(tmp_path, decode, size=(160, 96))
    made = []
    create = avsc.encoders.create
    monkeypatch.setattr(avsc.encoders, "create", lambda *a, **k: made.append(a) or create(*a, **k))
    found = cost._step("eyes", {"encoder": "timm_image", "weights": "random", **TINY}, clip)
    assert made == [("timm_image",)]
    assert found.core_s > 0
    assert found.flop > 0


@pytest.mark.slow
@pytest.mark.nightly
def test_the_page_is_made_of_real_shards_and_a_real_clip():
    page = scale.page([80], profile="demo", size=(160, 96))
    for step in (*simulation.STEPS, "decode", "scalogram"):
        assert f"| {step} " in page
    shards = extraction.chunk({simulation.clip(i)["clip_id"]: "" for i in range(80)})
    assert f"{len(shards)} shards" in page
    assert "{{" not in page
