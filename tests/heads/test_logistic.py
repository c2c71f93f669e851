import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from avsc.heads.logistic import Head


@pytest.mark.parity
@pytest.mark.parametrize("num_classes", [2, 3])
def test_probabilities_are_those_of_scikit_learn(num_classes):
    rng = np.random.default_rng(0)
    audio, video = (rng.standard_normal((60, d)).astype(np.float32) for d in (4, 3))
    targets = np.arange(60) % num_classes
    audio[:, 0] += targets
    head = Head({"audio": (4,), "video": (3,)}, num_classes, C=0.5)
    x = {"video": torch.from_numpy(video), "audio": torch.from_numpy(audio)}
    head.solve(x, torch.from_numpy(targets))
    rows = np.hstack([audio, video])
    reference = LogisticRegression(C=0.5).fit(rows, targets).predict_proba(rows)
    np.testing.assert_allclose(head(x).softmax(1).detach().numpy(), reference, atol=1e-4)
