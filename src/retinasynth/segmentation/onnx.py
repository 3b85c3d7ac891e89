"""A segmenter as an ONNX file, for programs without torch.

The file takes photographs in the frame of their field of view, and gives the probability of each plane. What else is
needed to use it stands in its metadata: ``planes``, ``thresholds``, ``looks``, ``size_px`` and the licence of the
training data. With it, ONNX Runtime, NumPy and Pillow alone, docs/onnx.md segments a photograph.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from retinasynth.networks.onnx import write_onnx
from retinasynth.segmentation.model import SegmenterModel
from retinasynth.segmentation.network import SegmentationNetwork


class _Probabilities(nn.Module):
    """The network, and the logistic function of its logits."""

    def __init__(self, network: SegmentationNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, photographs: Tensor, fields: Tensor) -> Tensor:
        logits: Tensor = self.network(photographs, fields)
        return torch.sigmoid(logits)


def export_onnx(model: SegmenterModel, out: Path) -> None:
    """Write a segmenter as an ONNX file; it takes any number of pictures of the size that it looks at.

    Args:
        model: the segmenter.
        out: the file, ``NAME.onnx``; must not exist.

    Raises:
        MissingExtraError: onnx or onnxscript is not installed.
        OutputError: `out` exists already, is no ``.onnx``, or cannot be written.
    """
    config, size, batch = model.config, model.config.seen_px, torch.export.Dim("batch", min=1)
    write_onnx(
        out,
        _Probabilities(model.network),
        [("photographs", torch.zeros(2, 3, size, size)), ("fields", torch.ones(2, 1, size, size))],
        "probabilities",
        ({0: batch}, {0: batch}),
        {
            "planes": list(config.planes),
            "thresholds": dict(config.thresholds),
            "size_px": size,
            "looks": config.looks,
            "conventions": dict(config.conventions),
            "licence_of_training_data": str(config.training.get("licence", "")),
            "warning": "For research; not for diagnosis",
        },
    )
