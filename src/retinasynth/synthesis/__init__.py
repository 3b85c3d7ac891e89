"""From a label map to a photograph: one eye, or a folder of them."""

from retinasynth.synthesis.synthesizer import Synthesizer

__all__ = ["Synthesizer"]
