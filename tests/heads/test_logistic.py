import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax
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
    reference = (
        LogisticRegression(C=0.5, tol=1e-8).fit(rows.astype(float), targets).predict_proba(rows)
    )
    np.testing.assert_allclose(head(x).softmax(1).detach().numpy(), reference, atol=1e-4)


def optimum(rows, targets, C):
    """Return weights and intercepts of the optimum in float64, scene by scene."""
    n, d = rows.shape
    hot = np.eye(targets.max() + 1)[targets]

    def objective(flat):
        w = flat.reshape(-1, d + 1)
        logits = rows @ w[:, :d].T + w[:, d]
        off = (softmax(logits, axis=1) - hot).T
        gradient = np.hstack([off @ rows + w[:, :d] / C, off.sum(axis=1, keepdims=True)])
        loss = (logsumexp(logits, axis=1) - (logits * hot).sum(axis=1)).sum()
        return (loss + (w[:, :d] ** 2).sum() / (2 * C)) / n, gradient.ravel() / n

    start = np.zeros(hot.shape[1] * (d + 1))
    options = {"maxiter": 20000, "maxfun": 40000, "ftol": 0, "gtol": 1e-11, "maxcor": 50}
    found = minimize(objective, start, jac=True, method="L-BFGS-B", options=options)
    w = found.x.reshape(-1, d + 1)
    return w[:, :d], w[:, d]


@pytest.mark.parity
@pytest.mark.parametrize("C", [0.001, 1, 100])
def test_probabilities_are_those_of_the_optimum(C):
    rng = np.random.default_rng(1)
    targets = rng.integers(0, 4, 200)
    rows = rng.standard_normal((4, 24))[targets] / 3 + rng.standard_normal((200, 24))
    rows = rows.astype(np.float32)
    head = Head({"audio": (24,)}, 4, C=C)
    head.solve({"audio": torch.from_numpy(rows)}, torch.from_numpy(targets))
    weights, intercepts = optimum(rows.astype(np.float64), targets, C)
    unseen = rng.standard_normal((50, 24)).astype(np.float32)
    expected = softmax(unseen @ weights.T + intercepts, axis=1)
    found = head({"audio": torch.from_numpy(unseen)}).softmax(1).detach().numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4)
