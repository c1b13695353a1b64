"""The Fréchet distance of two sets of features (Dowson and Landau 1982; Heusel et al. 2017, eq. 6), by singular values.

    d^2 = |m_x - m_y|^2 + tr(C_x + C_y - 2 (C_x C_y)^(1/2))

With A, B the centred features over sqrt(N - ddof), C_x = A^T A and C_y = B^T B, the last trace is the sum of the
singular values of A B^T, its nuclear norm. So no root of a matrix is taken: the result is exact for N < D too, where
the covariances are singular, and has no imaginary part.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Bool, Float, Float64

from viddiff.errors import InputError

VALUES_PER_BLOCK = 2**21
ROUNDING = 1e-12  # of the sum of all squares: less is the 0 of equal sets

Features = Float[np.ndarray, "N D"]


def frechet_distance(x: Features, y: Float[np.ndarray, "M D"], ddof: int = 1) -> float:
    """The squared Fréchet distance of the Gaussians with the means and covariances of `x` and `y`, at least 0.

    ddof: 1 for covariances over N - 1, as the original's, 0 for those over N. Computed in float64. Raises `InputError`
    for sets of fewer than two.
    """
    a, b = (_centred(features, ddof) for features in (x, y))
    means = np.square(x.mean(0, dtype=np.float64) - y.mean(0, dtype=np.float64)).sum()
    variances = np.square(a).sum() + np.square(b).sum()
    distance = float(means + variances - 2 * _nuclear_norm(_reduced(a) @ _reduced(b).T))
    return distance if distance > ROUNDING * (means + variances) else 0.0


def exchanged_distances(
    x: Features, other: Features, y: Float[np.ndarray, "M D"], flips: Bool[np.ndarray, "P N"], ddof: int = 1
) -> Float64[np.ndarray, "P 2"]:
    """The squared distances of `x` and of `other` to `y`, with the rows exchanged in which `flips` is true.

    All products of features are computed once; each permutation selects rows of them.
    """
    count = len(x)
    both = np.concatenate([x, other]).astype(np.float64)
    centre = both.mean(0)  # nothing depends on it but the rounding
    both -= centre
    b = _centred(y, ddof)
    products, squares = both @ _reduced(b).T, np.square(both).sum(1)
    mean_y = y.mean(0, dtype=np.float64) - centre
    numbers = np.arange(count)
    step = max(1, VALUES_PER_BLOCK // products.size)
    result = np.empty((len(flips), 2))
    for first in range(0, len(flips), step):
        block = slice(first, first + step)
        for label in (0, 1):
            rows = numbers + count * (flips[block] ^ bool(label))
            means = both[rows].mean(1)
            variances = (squares[rows].sum(1) - count * np.square(means).sum(1)) / (count - ddof)
            selected = products[rows]
            roots = _nuclear_norm(selected - selected.mean(1, keepdims=True)) / math.sqrt(count - ddof)
            result[block, label] = np.square(means - mean_y).sum(1) + variances - 2 * roots
    return np.maximum(result + np.square(b).sum(), 0.0)


def _centred(features: Features, ddof: int) -> Float64[np.ndarray, "N D"]:
    """Features less their mean, over the root of N - ddof: the product with its transpose is the covariance."""
    if len(features) < 2:
        raise InputError(f"the Fréchet distance needs 2 videos or more, found {len(features)}")
    wide = features.astype(np.float64)
    return (wide - wide.mean(0)) / math.sqrt(len(features) - ddof)


def _reduced(a: Float64[np.ndarray, "N D"]) -> Float64[np.ndarray, "K D"]:
    """What has the same product with its transpose, in D rows if there are more."""
    return np.asarray(np.linalg.qr(a, mode="r")) if len(a) > a.shape[1] else a


def _nuclear_norm(matrices: Float64[np.ndarray, "*B K M"]) -> Float64[np.ndarray, " *B"]:
    return np.asarray(np.linalg.svd(matrices, compute_uv=False).sum(-1))
