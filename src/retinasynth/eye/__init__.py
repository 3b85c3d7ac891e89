"""The eye as labels: the label map and the procedural phantom."""

from retinasynth.eye.eye import PLANES, Eye, Geometry, usable

__all__ = ["PLANES", "Eye", "Geometry", "usable"]
