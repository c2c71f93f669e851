import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

import avsc
from avsc.precision import How, tune

STEP = 2.0**-8  # 1 + STEP lies between two bfloat16 numbers, and is rounded to 1


class Weighted(nn.Module):
    """Rows -> (a weighted sum, the same twice)."""

    def __init__(self, *weights):
        super().__init__()
        self.layer = nn.Linear(len(weights), 1, bias=False)
        self.layer.weight.data = torch.tensor([weights])

    def forward(self, rows):
        return self.layer(rows), 2 * self.layer(rows)


@pytest.fixture
def engine():
    return pytest.importorskip("avsc.openvino", reason="needs the extra openvino")


def test_where_it_is_not_installed_the_error_says_what_to_install(monkeypatch):
    monkeypatch.delitem(sys.modules, "avsc.openvino", raising=False)
    monkeypatch.delattr(avsc, "openvino", raising=False)
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ModuleNotFoundError, match=r"openvino is not .* pip install 'avsc\[openvi"):
        tune(Weighted(1.0), How(engine="openvino"))


def test_nothing_is_reported_to_its_makers(engine):
    assert engine.openvino.tools.ovc.telemetry_utils.tm.__name__.endswith("telemetry_stub")


def test_every_output_of_every_row_is_there_in_order(engine):
    run = engine.forward(Weighted(2.0, 3.0), precision="float32")
    once, twice = run(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]))
    assert once.tolist() == [[2.0], [3.0], [5.0]]
    assert twice.tolist() == [[4.0], [6.0], [10.0]]


class Largest(nn.Linear):
    """Rows -> (the largest number,)."""

    def forward(self, rows):
        return (rows.amax(dim=1, keepdim=True),)


def test_rows_of_the_first_shape_may_come_in_other_threads_and_others_are_refused(engine):
    run = engine.forward(Largest(1, 1), precision="float32")
    assert run(torch.arange(3)[None].float())[0].tolist() == [[2]]
    for _ in range(2):
        with ThreadPoolExecutor(1) as thread:
            (found,) = thread.submit(run, torch.arange(3)[None].float()).result()
        assert found.tolist() == [[2]]
    expected = r"takes rows of one shape, found \(5,\) after \(3,\); set decode.seconds, .* drop"
    with pytest.raises(ValueError, match=expected):
        run(torch.arange(5)[None].float())


def test_networks_may_be_converted_one_after_the_other_in_threads_that_end(engine):
    for size in (2, 3):
        run = engine.forward(Largest(1, 1), precision="float32")
        with ThreadPoolExecutor(1) as thread:
            (found,) = thread.submit(run, torch.arange(size)[None].float()).result()
        assert found.tolist() == [[size - 1]]


@pytest.mark.usefixtures("engine")
def test_a_network_can_be_given_it_as_its_own_forward():
    network = Weighted(2.0)
    tune(network, How(engine="openvino"))
    with torch.inference_mode():
        assert network(torch.tensor([[3.0]]))[0].item() == 6.0


def test_float32_keeps_what_bfloat16_rounds_away(engine):
    rows = torch.ones(1, 64)
    network = Weighted(*[1 + STEP] * 64)
    assert engine.forward(network, precision="float32")(rows)[0].item() == 64 * (1 + STEP)
    if not engine.knows_bfloat16():
        pytest.skip("this CPU does not know bfloat16")
    assert engine.forward(network, precision="bfloat16")(rows)[0].item() == 64


def test_a_network_on_another_device_is_refused(engine):
    with pytest.raises(ValueError, match="computes on a CPU, but the network is on meta; set AVSC"):
        engine.forward(Weighted(1.0).to("meta"), precision="float32")
