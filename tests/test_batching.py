from itertools import count, islice

import numpy as np
import pytest
import torch
from torch import nn

from avsc.batching import Clip, in_batches

GPU = pytest.param(
    "cuda",
    marks=[
        pytest.mark.gpu,
        pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA"),
    ],
)


class Twice(nn.Module):
    """Rows -> (2 x, their sum); keeps the shapes of its batches."""

    def __init__(self):
        super().__init__()
        self.factor, self.shapes = nn.Parameter(torch.tensor(2.0)), []

    def forward(self, rows):
        self.shapes.append(tuple(rows.shape))
        return self.factor * rows.flatten(1), rows.flatten(1).sum(dim=1, keepdim=True)


def clips(*lengths, width=2):
    start = torch.arange(sum(lengths) * width, dtype=torch.float32).reshape(-1, width)
    return [Clip(f"clip{i}", rows) for i, rows in enumerate(start.split(lengths))]


def four(_):
    return 4


@pytest.mark.parametrize("device", ["cpu", GPU])
def test_each_clip_gets_what_the_network_gives_for_its_rows_in_order(device):
    given = clips(3, 1, 6, 3)
    found = [*in_batches(Twice().to(device), iter(given), size=four)]
    assert [clip_id for clip_id, _ in found] == ["clip0", "clip1", "clip2", "clip3"]
    for clip, (_, (doubled, total)) in zip(given, found, strict=True):
        np.testing.assert_array_equal(doubled, 2 * clip.rows.numpy())
        np.testing.assert_array_equal(total[:, 0], clip.rows.numpy().sum(axis=1))


def test_all_batches_but_the_last_are_of_one_size_whatever_clips_they_are_of():
    network = Twice()
    assert len([*in_batches(network, iter(clips(3, 1, 6, 3)), size=four)]) == 4
    assert sorted(network.shapes) == [(1, 2), (4, 2), (4, 2), (4, 2)]


def test_rows_of_another_shape_begin_another_batch():
    network, given = Twice(), [*clips(3), Clip("long", torch.ones(3, 5)), *clips(2)]
    found = [*in_batches(network, iter(given), size=four)]
    assert sorted(network.shapes) == [(2, 2), (3, 2), (3, 5)]
    assert [parts[0].shape for _, parts in found] == [(3, 2), (3, 5), (2, 2)]


def test_a_stream_without_end_is_taken_only_a_few_batches_ahead():
    taken = []

    def endless():
        for i in count():
            taken.append(i)
            yield Clip(str(i), torch.ones(2, 2))

    stream = in_batches(Twice(), endless(), size=four)
    assert [clip_id for clip_id, _ in islice(stream, 3)] == ["0", "1", "2"]
    assert len(taken) < 30
    stream.close()


def test_an_error_of_the_network_names_the_batch():
    class Full(Twice):
        def forward(self, _):
            raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory") as caught:
        [*in_batches(Full(), iter(clips(3, 2)), size=four)]
    assert caught.value.__notes__ == ["while it worked on 4 rows, the last of clip 'clip1'"]
