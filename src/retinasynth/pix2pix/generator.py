"""pix2pix as users hold it: label planes in, a photograph out."""

from pathlib import Path

from retinasynth import images
from retinasynth.data.batches import labels_of
from retinasynth.errors import InputError
from retinasynth.eye import Eye
from retinasynth.generator import Asked, Drawable, Generator, Size
from retinasynth.images import Photograph
from retinasynth.networks.running import move_for_generation
from retinasynth.pix2pix.model import Config, Model
from retinasynth.pix2pix.photograph import generate_photograph
from retinasynth.settings import Resize


class Pix2Pix(Generator):
    """The published generator, and the light one: photographs from the planes that they were trained on.

    Args:
        model: a network with its configuration.
        name: what the metadata of pictures call it.
    """

    config: Config

    def __init__(self, model: Model, name: str) -> None:
        self.name, self.config = name, model.config
        self.network = move_for_generation(model.network)

    def photograph(self, eye: Eye, asked: Asked) -> Photograph:
        """The photograph of one eye, as the source generates it."""
        config = self.config
        labels = labels_of(eye, config.planes, config.size_px, config.resize)
        photograph = generate_photograph(self.network, labels, channels=config.label_channels, seed=asked.seed)
        size = self.picture_size(eye.size, asked.size)
        if isinstance(asked.size, str):
            return images.unsquare_photograph(photograph, size, config.resize)
        return images.resize_photograph(photograph, size)

    def eye_of(self, what: Drawable) -> Eye:
        """What was given, as an eye with all planes of the model, checked."""
        if isinstance(what, Eye):
            planes = self.config.planes
            missing = [plane for plane in planes if plane not in what.planes]
            if missing:
                raise InputError(
                    f"Eye {what.name} has no plane {' and no '.join(missing)}",
                    expected=f"an eye with what the model is made from: {', '.join(planes)}",
                )
            if not what.planes[planes[0]].any():
                raise InputError(f"Eye {what.name} has an empty plane {planes[0]}", expected="some pixels in it")
        return super().eye_of(what)

    def complete(self, eye: Eye) -> Eye:
        """The same eye: nothing is missing where all planes are needed."""
        return eye

    @property
    def styles(self) -> tuple[str, ...]:
        """None: it follows no style."""
        return ()

    @property
    def needed_planes(self) -> tuple[str, ...]:
        """All that it was trained on."""
        return self.config.planes

    @property
    def welcome_planes(self) -> tuple[str, ...]:
        """None beside those that are needed."""
        return ()

    @property
    def resize(self) -> Resize:
        """As its training pairs were."""
        return self.config.resize

    @property
    def evaluated_size(self) -> Size:
        """Its own where pictures are stretched; that of the mask where the bars of a letterbox are to be cut off."""
        return self.config.size_px if self.resize == "stretch" else "mask"

    def export_onnx(self, out: Path) -> None:  # noqa: ARG002 - never written
        """Refused: only styled generators are exported."""
        raise InputError(f"{self.name} follows no style", expected="a model of the architecture styled")
