import copy
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from importlib import import_module
from threading import get_ident
from types import SimpleNamespace

import numpy as np
import pytest
import timm
import torch
from torch import nn

import avsc.encoders
from avsc import precision
from avsc.encoders import ast, timm_image
from avsc.precision import How, deviation, forward, settled, tune

HALF = How(precision="bfloat16")
BY_OPENVINO = How(engine="openvino")
HALF_BY_OPENVINO = How("bfloat16", "openvino")
STEP = 2.0**-8  # 1 + STEP lies between two bfloat16 numbers, and is rounded to 1
PICTURES = np.random.default_rng(0).integers(0, 256, (3, 1, 40, 50, 3), dtype=np.uint8)


class Weighted(nn.Module):
    """Rows -> (a weighted sum,)."""

    def __init__(self, *weights):
        super().__init__()
        self.layer = nn.Linear(len(weights), 1, bias=False)
        self.layer.weight.data = torch.tensor([weights])

    def forward(self, rows):
        return (self.layer(rows),)


def engine(monkeypatch, *, knows=True, **errors):
    """Put in OpenVINO's place what is wrong by a share of every number, in each precision."""

    def forward(network, *, precision):
        return lambda rows: (network(rows)[0] * (1 + errors[precision]),)

    fake = SimpleNamespace(forward=forward, knows_bfloat16=lambda: knows)
    monkeypatch.setattr(precision, "_openvino", lambda: fake)


@pytest.fixture
def suited(monkeypatch):
    monkeypatch.setattr(precision, "suits", lambda _: True)


def small(**more):
    return avsc.encoders.create("timm_image", **timm_image.TINY, **more)


def test_a_deviation_is_the_length_of_the_difference_by_that_of_the_float32_embedding():
    rows = torch.tensor([[0.0], [1.0]])
    network = Weighted(1 + STEP)
    assert deviation(network, forward(network, HALF), rows[1:]) == pytest.approx(STEP / (1 + STEP))


def test_the_worst_row_decides():
    rows = torch.tensor([[0.0, 1.0], [1.0, 1.0]])
    network = Weighted(1 + STEP, -1.0)
    assert deviation(network, forward(network, HALF), rows) == pytest.approx(1.0)  # STEP becomes 0


@pytest.mark.usefixtures("suited")
def test_bfloat16_that_is_near_enough_runs(caplog):
    how, found = settled(HALF, Weighted(1 + STEP), [torch.ones(1, 1)], name="eyes")
    assert how == HALF
    assert found == pytest.approx(STEP / (1 + STEP))
    assert not caplog.records


@pytest.mark.usefixtures("suited")
def test_a_network_that_deviates_runs_in_float32(caplog):
    tried = [torch.tensor([[1.0, 0.5]]), torch.ones(1, 2)]
    how, found = settled(HALF, Weighted(1 + STEP, -1.0), tried, name="eyes")
    assert how == How()
    assert found >= precision.MOST
    assert caplog.records[0].levelno == logging.WARNING
    assert f"eyes runs in float32: in bfloat16 an embedding deviates by {found:.2g}" in caplog.text


@pytest.mark.usefixtures("suited")
@pytest.mark.parametrize("at", [0, 1])
def test_a_deviation_that_is_no_number_on_any_clip_is_too_large(caplog, at):
    tried = [torch.ones(1, 1)] * 2
    tried[at] = torch.zeros(1, 1)
    assert settled(HALF, Weighted(1.0), tried, name="eyes") == (How(), None)
    assert "in bfloat16 an embedding deviates by nan of its length" in caplog.text


def test_a_machine_that_is_no_faster_at_it_runs_in_float32_and_says_so(monkeypatch, caplog):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert settled(HALF, Weighted(1.0), [], name="eyes") == (How(), None)
    assert "eyes runs in float32: cpu is neither a GPU that knows bfloat16" in caplog.text


def test_a_cpu_with_amx_suits_bfloat16(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    assert precision.suits("cpu")


def by_engine(how):
    return settled(how, Weighted(1.0), [torch.ones(2, 1)], name="eyes")


@pytest.mark.parametrize("how", [BY_OPENVINO, HALF_BY_OPENVINO])
def test_an_engine_that_is_near_enough_runs(monkeypatch, caplog, how):
    engine(monkeypatch, float32=2.0**-10, bfloat16=2.0**-10)
    assert by_engine(how) == (how, 2.0**-10)
    assert not caplog.records


def test_an_engine_whose_bfloat16_deviates_runs_in_float32(monkeypatch, caplog):
    engine(monkeypatch, float32=2.0**-10, bfloat16=0.5)
    assert by_engine(HALF_BY_OPENVINO) == (BY_OPENVINO, 2.0**-10)
    assert "eyes runs in float32: in bfloat16 an embedding deviates by 0.5" in caplog.text


def test_an_engine_whose_float32_deviates_too_gives_way_to_torch(monkeypatch, caplog):
    engine(monkeypatch, float32=0.25, bfloat16=0.5)
    assert by_engine(HALF_BY_OPENVINO) == (How(), 0.25)
    first, second = caplog.messages
    assert "eyes runs in float32: in bfloat16 an embedding deviates by 0.5" in first
    assert "eyes runs in torch: by openvino an embedding deviates by 0.25" in second


def test_an_engine_does_without_a_bfloat16_that_the_cpu_does_not_know(monkeypatch, caplog):
    engine(monkeypatch, knows=False, float32=0.0)
    assert by_engine(HALF_BY_OPENVINO) == (BY_OPENVINO, 0.0)
    assert "eyes runs in float32: this cpu does not know bfloat16" in caplog.text


def test_float32_is_not_tried():
    assert settled(How(compile=True), Weighted(1.0), [], name="eyes") == (How(compile=True), None)


def test_a_tuned_network_keeps_float32_parameters_and_gives_float32():
    encoder = small()
    before, plain = copy.deepcopy(encoder.model.state_dict()), encoder(PICTURES)
    tune(encoder.model, HALF)
    found = encoder(PICTURES)
    assert {a.dtype for a in found.values()} == {np.dtype(np.float32)}
    off = np.linalg.norm(found["embedding"] - plain["embedding"], axis=1)
    assert 0 < (off / np.linalg.norm(plain["embedding"], axis=1)).max() < 2 * precision.MOST
    assert all(torch.equal(v, before[k]) for k, v in encoder.model.state_dict().items())


def test_float32_on_a_cpu_leaves_every_bit():
    encoder, tuned = small(), small()
    tune(tuned.model, How())
    for name, array in encoder(PICTURES).items():
        np.testing.assert_array_equal(tuned(PICTURES)[name], array)


def test_a_compiled_network_gives_what_it_gave_and_runs_in_one_thread(monkeypatch):
    eager = partial(torch.compile, backend="eager")  # the C++ of the other takes a minute
    monkeypatch.setattr(torch, "compile", eager)
    network, threads = Weighted(2.0, 3.0), set()
    note = torch.compiler.disable(lambda *_: threads.add(get_ident()))
    network.layer.register_forward_pre_hook(note)
    tune(network, How(compile=True))

    def run(rows):
        with torch.inference_mode():
            return network(torch.ones(rows, 2))

    with ThreadPoolExecutor(4) as pool:
        found = [*pool.map(run, range(1, 6))]
    assert [part.flatten().tolist() for (part,) in found] == [[5.0] * rows for rows in range(1, 6)]
    assert len(threads) == 1


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("how", [How(), HALF])
@pytest.mark.parametrize("name", ["ast", "timm_image"])
def test_a_tuned_network_on_a_gpu_gives_nearly_what_the_cpu_gives(name, how, compiled):
    encoder = avsc.encoders.create(name, **import_module(f"avsc.encoders.{name}").TINY)
    media = {"ast": np.random.default_rng(0).uniform(-0.5, 0.5, (3, 2, 16_000)).astype("float32")}
    rows = encoder.prepare(media.get(name, PICTURES))
    with torch.inference_mode():
        expected = encoder.model(rows)[0]
        tune(encoder.model.to("cuda"), replace(how, compile=compiled))
        found = encoder.model(rows.to("cuda"))[0].cpu()
    assert ((found - expected).norm(dim=1) / expected.norm(dim=1)).max() < 5e-2


def test_another_precision_is_refused():
    with pytest.raises(ValueError, match="precision is 'half', expected float32 or bfloat16"):
        How("half")


def test_another_engine_is_refused():
    with pytest.raises(ValueError, match="engine is 'onnx', expected torch or openvino"):
        How(engine="onnx")


def test_torchs_compiler_is_refused_where_another_engine_runs():
    with pytest.raises(
        ValueError, match=r"compile is torch's, but engine is openvino, .* drop one"
    ):
        How(engine="openvino", compile=True)


def test_what_decides_the_numbers_is_what_is_not_plain_float32():
    assert How().apart == {}
    assert How("bfloat16", compile=True).apart == {"precision": "bfloat16", "compile": "true"}
    assert HALF_BY_OPENVINO.apart == {"engine": "openvino", "precision": "bfloat16"}


def test_attention_is_torchs_own_in_one_kernel():
    encoder = avsc.encoders.create("ast", **ast.TINY)
    assert encoder.model.config._attn_implementation == "sdpa"
    assert timm.create_model("test_vit").blocks[0].attn.fused_attn
