"""Labelled synthetic retinas, with the evidence that they are good enough.

import retinasynth as rs

run = rs.train("my-eyes/", "runs/first", preset="source")
model = rs.load(run)
photograph = model.generate("mask.png")  # uint8 (height, width, 3)
rs.evaluate(run, "my-eyes/", "runs/first-evaluation")
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from retinasynth.anatomy import Eye
    from retinasynth.api import evaluate, inspect, load, resume, train

__version__ = "0.1.0"
__all__ = ["Eye", "evaluate", "inspect", "load", "resume", "train"]


def __getattr__(name: str) -> Any:
    # Everything heavy waits until it is asked for: `import retinasynth` alone does not load torch.
    if name == "Eye":
        from retinasynth.anatomy import Eye

        return Eye
    if name in __all__:
        from retinasynth import api

        return getattr(api, name)
    raise AttributeError(f"module 'retinasynth' has no attribute {name!r}")
