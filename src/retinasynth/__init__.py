"""Labelled synthetic retinas, with the evidence that they are good enough.

import retinasynth as rs

eye = rs.grow(seed=7, cup_to_disc=0.7)  # a labelled anatomy that nobody ever had
rs.measure(eye).artery_to_vein_ratio
run = rs.train("my-eyes/", "runs/first", preset="source")
model = rs.load(run)
photograph = model.generate("mask.png")  # uint8 (height, width, 3)
rs.evaluate(run, "my-eyes/", "runs/first-evaluation")
rs.segment("photograph.jpg").eye.planes["vessels"]
rs.what_if(eye, rs.Edit(cup=0.9), rs.load("fundus-512")).after
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from retinasynth.anatomy.follow_up import follow_up
    from retinasynth.anatomy.grow import grow
    from retinasynth.anatomy.render.photograph import phantom_photograph
    from retinasynth.api import ablate, evaluate, evaluate_folders, inspect, measure, resume, stream, train, tune
    from retinasynth.enhancement.use import Enhancer
    from retinasynth.eye import Eye
    from retinasynth.generation.adapt import adapt
    from retinasynth.generation.complete import complete
    from retinasynth.generation.generator import load
    from retinasynth.generation.whatif import Edit, what_if
    from retinasynth.segmentation.measuring import Scale, measure_photographs
    from retinasynth.segmentation.use import segment

__version__ = "0.1.0"
__all__ = [
    "Edit",
    "Enhancer",
    "Eye",
    "Scale",
    "ablate",
    "adapt",
    "complete",
    "evaluate",
    "evaluate_folders",
    "follow_up",
    "grow",
    "inspect",
    "load",
    "measure",
    "measure_photographs",
    "phantom_photograph",
    "resume",
    "segment",
    "stream",
    "train",
    "tune",
    "what_if",
]

# Names that are not in `api`, because they need less than it loads (no torch) or more (MONAI).
_HOMES = {
    "Edit": "retinasynth.generation.whatif",
    "Enhancer": "retinasynth.enhancement.use",
    "Eye": "retinasynth.eye",
    "Scale": "retinasynth.segmentation.measuring",
    "adapt": "retinasynth.generation.adapt",
    "complete": "retinasynth.generation.complete",
    "follow_up": "retinasynth.anatomy.follow_up",
    "grow": "retinasynth.anatomy.grow",
    "load": "retinasynth.generation.generator",
    "measure_photographs": "retinasynth.segmentation.measuring",
    "phantom_photograph": "retinasynth.anatomy.render.photograph",
    "segment": "retinasynth.segmentation.use",
    "what_if": "retinasynth.generation.whatif",
}


def __getattr__(name: str) -> Any:
    # Everything heavy waits until it is asked for: `import retinasynth` alone does not load torch.
    if name in __all__:
        return getattr(import_module(_HOMES.get(name, "retinasynth.api")), name)
    raise AttributeError(f"module 'retinasynth' has no attribute {name!r}")
