"""Generated photographs as a set, beside real ones: realism, diversity and privacy."""

import importlib.util
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from retinasynth.errors import InputError
from retinasynth.evaluation.described import Shape, described_set, seen_in_each
from retinasynth.evaluation.findings.diversity import diversity_finding
from retinasynth.evaluation.findings.privacy import not_examined, privacy_finding
from retinasynth.evaluation.findings.realism import realism_finding
from retinasynth.evaluation.metrics.features import Features, FundusFeatures, ImageNetFeatures, OnnxFeatures
from retinasynth.evaluation.pictures import Pictures
from retinasynth.evaluation.privacy import examine_privacy
from retinasynth.evaluation.results import Finding
from retinasynth.intervals import SEED


@dataclass(frozen=True)
class Real:
    """The real photographs that a generated set is compared with.

    Attributes:
        unseen: what it should look like; best photographs of people that were not trained on.
        training: what the generator learnt from, or None where that is not known.
    """

    unseen: Pictures
    training: Pictures | None = None


def set_findings(generated: Pictures, real: Real, *, network: Path | None = None, seed: int = SEED) -> list[Finding]:
    """What realism, diversity and privacy have to say of a set.

    Args:
        generated: the photographs; of those made from a real eye's labels, `people` is that eye's person.
        real: what they are compared with. All are brought to the resolution of the generated ones before they are
            looked at, and stretched as these are.
        network: an ONNX file with a network of the user's own, whose features are measured too; see `OnnxFeatures`.
        seed: of all that is drawn.

    Raises:
        ModelError: the file holds no such network.
    """
    networks: list[Features] = [FundusFeatures()]
    if importlib.util.find_spec("efficientnet_lite_pytorch"):
        networks.append(ImageNetFeatures())
    if network is not None:
        networks.append(OnnxFeatures(network))
    like = Shape.of(generated, real.unseen)
    ours = described_set("generated", generated, networks, None)
    theirs = described_set("real", real.unseen, networks, like)
    findings = [realism_finding(ours, theirs, seed=seed), diversity_finding(ours, theirs, seed=seed)]
    if real.training is None:
        findings.append(not_examined("which photographs the generator learnt from is not known"))
        return findings
    first = networks[0].name
    learnt = seen_in_each("training", real.training, like, networks[0])
    made = replace(generated, features=None if ours.lost else ours.rows[first])
    held_out = replace(real.unseen, features=None if theirs.lost else theirs.rows[first])
    known = [row for row in learnt if row is not None]
    training = replace(real.training, features=np.stack(known) if len(known) == len(learnt) else None)
    try:
        found = examine_privacy(made, training, held_out, seed=seed)
        findings.append(privacy_finding(made, training, held_out, found))
    except InputError as error:
        findings.append(not_examined(error.got))
    return findings
