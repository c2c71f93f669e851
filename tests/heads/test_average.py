import pytest
import torch

from avsc.heads.average import Head


def test_probabilities_are_averaged_not_logits():
    one, two = torch.tensor([[0.9, 0.1]]), torch.tensor([[0.2, 0.8]])
    head = Head({"one": (2,), "two": (2,)}, 2)
    probs = head({"one": one.log(), "two": two.log()}).softmax(1)
    torch.testing.assert_close(probs, torch.tensor([[0.55, 0.45]]))


def test_embeddings_are_refused():
    with pytest.raises(
        ValueError, match=r"average takes 2 log-probabilities a row, found \{'a': \(5"
    ):
        Head({"a": (5,)}, 2)
