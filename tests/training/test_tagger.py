import pytest
import torch
from torch import nn

from avsc.training import tagger

GENERATOR = torch.Generator().manual_seed(0)
INPUTS = torch.randn(21, 4, generator=GENERATOR)
LABELS = INPUTS[:, :2] > 0
FIT = {"epochs": 3, "batch_size": 8, "lr": 0.01, "weight_decay": 0.05, "seed": 1}


class Tagger(nn.Module):
    def __init__(self, *more):
        super().__init__()
        torch.manual_seed(0)
        self.body, self.top = nn.Sequential(nn.Linear(4, 6), *more, nn.GELU()), nn.Linear(6, 2)

    def forward(self, x):
        embedding = self.body(x)
        return embedding, self.top(embedding)


def fitted(*, parts):
    model = Tagger()
    return tagger.fit(model, INPUTS, LABELS, **FIT, parts=parts), model.state_dict()


def test_parts_of_batches_add_up_to_the_gradients_of_whole_ones():
    whole, apart = fitted(parts=1), fitted(parts=2)
    torch.testing.assert_close(apart, whole, rtol=1e-5, atol=1e-6)


def test_training_in_parts_repeats_bit_by_bit():
    torch.testing.assert_close(fitted(parts=3), fitted(parts=3), rtol=0, atol=0)


def test_last_batch_of_fewer_items_than_parts_is_trained_on():
    # batches of 8, 8 and 5 items: the last has no item for three of the parts
    torch.testing.assert_close(fitted(parts=8), fitted(parts=1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("layer", [nn.Dropout(0.1), nn.BatchNorm1d(6)])
def test_network_whose_parts_would_race_is_refused(layer):
    model = Tagger(layer)
    with pytest.raises(ValueError, match=r"dropout .* fit\.parts is above 1; set fit\.parts to 1"):
        tagger.fit(model, INPUTS, LABELS, **FIT, parts=2)
    tagger.fit(model, INPUTS, LABELS, **FIT)
