"""Scalogram: 290 wavelet bands by the trimmed sparse bank, beside the dense bank as it is.

One clip's magnitudes, ten seconds of mid and side at six frames a second, times the filters. What a
Gaussian leaves far from its centre is denormal as float32, and CPUs take long over those.
"""

from functools import partial

import numpy as np
from scipy.sparse import csr_array

from avsc.encoders.scalogram import morlets, weights
from bench._table import main
from bench._turns import Row, compared, difference, in_turns

REACH = 6.0


def results(*, quick: bool = False) -> list[Row]:
    """Return one row."""
    n_fft, repeats = (1024, 1) if quick else (8192, 15)
    filters = morlets(n_fft=n_fft, q=41, low_pass=False)
    magnitudes = np.random.default_rng(0).rayleigh(size=(120, n_fft // 2 + 1)).astype(np.float32)
    sides = {
        "ours": partial(sparse, weights(filters), magnitudes),
        "dense": partial(dense, untrimmed(filters), magnitudes),
    }
    given, took = in_turns(sides, repeats=repeats)
    return [
        compared(
            f"{len(magnitudes)} frames x {len(filters)} bands",
            "product with the untrimmed float32 bank",
            took["ours"],
            took["dense"],
            reach=REACH,
            difference=difference(given["ours"], given["dense"]),
        )
    ]


def sparse(bank: csr_array, magnitudes: np.ndarray) -> np.ndarray:
    """Return the bands as the encoder does."""
    return (bank @ magnitudes.T).T


def dense(bank: np.ndarray, magnitudes: np.ndarray) -> np.ndarray:
    """Return the bands by an ordinary product."""
    return magnitudes @ bank.T


def untrimmed(filters: np.ndarray) -> np.ndarray:
    """Return rows that sum to one, tails and all."""
    return (filters / filters.sum(axis=1, keepdims=True)).astype(np.float32)


if __name__ == "__main__":
    main("scalogram")
