"""The Frechet distance (FID), where it is what its name says: many pictures, and the network that the user brings."""

import numpy as np
from scipy import linalg

from retinasynth.errors import DataError, InputError
from retinasynth.evaluation.metrics.features import Rows, checked_features

FEWEST_PICTURES = 2_048

CONVENTIONS = {
    "Frechet distance": "FID (Heusel et al., NeurIPS 2017), in the features of a network that the user brought; lower "
    "is better",
}


def measure(real: Rows, generated: Rows, *, features: str) -> float:
    """The Frechet distance (FID) between real and generated photographs.

    It grows where pictures are few, by more than models differ, and it is known by the features of one network. So it
    is refused where a figure would look like a published one and be none.

    Args:
        real: ``float (n, dimensions)``.
        generated: ``float (m, dimensions)``.
        features: the name of what gave them; an `OnnxFeatures`.

    Raises:
        DataError: there are fewer than 2,048 pictures of either kind, or fewer than two for each dimension.
        InputError: the features are those of another network, not finite, or of different dimensions.

    Source:
        M. Heusel et al., "GANs trained by a two time-scale update rule converge to a local Nash equilibrium", NeurIPS
        2017, equation 6; on its bias M. Binkowski et al., 2018, section 4.
    """
    if not features.startswith("network "):
        raise InputError(
            f"A Frechet distance of the features {features!r}",
            expected="those of a network that you bring, OnnxFeatures(FILE)",
            do="Use the kernel distance, which is sound with any features",
        )
    real, generated = checked_features(real, generated)
    wanted = max(FEWEST_PICTURES, 2 * real.shape[1])
    if min(len(real), len(generated)) < wanted:
        raise DataError(
            f"{len(real)} real and {len(generated)} generated photographs with {real.shape[1]} features",
            expected=f"at least {wanted} of each: a Frechet distance of fewer is mostly bias",
            do="Use the kernel distance, which is unbiased at any number",
        )
    shift = real.mean(axis=0) - generated.mean(axis=0)
    ours, theirs = (np.atleast_2d(np.cov(rows, rowvar=False)) for rows in (real, generated))
    # The trace of the root of a product, by the eigenvalues of a symmetric matrix that has the same ones.
    values, vectors = linalg.eigh(ours)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    common = np.sqrt(np.maximum(linalg.eigvalsh(root @ theirs @ root), 0)).sum()
    return float(shift @ shift + np.trace(ours) + np.trace(theirs) - 2 * common)
