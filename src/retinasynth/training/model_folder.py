"""Model folders: ``model.safetensors``, ``config.json`` and ``README.md`` (the model card). No pickle anywhere.

What all products have in common; the module `model` of each knows what is in its files.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from pydantic import ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

import retinasynth
from retinasynth.documents import read_json, reason
from retinasynth.errors import MOST_SHOWN, ModelError, shown
from retinasynth.files import atomic_path, sha256_of, write_json, write_text
from retinasynth.settings import Plane, Section, SizePx, Text
from retinasynth.training.bundled import explaining_read_errors

FORMAT_VERSION = 1
WEIGHTS = "model.safetensors"
CHECKSUM = "sha256"  # in the metadata of the weights, so that they and it are replaced at one stroke
# No larger number is taken for a weight. Of the bundled models, whose figures are those of whoever trains, the largest
# weight is 2.2 and the largest variance that a normalisation has seen 43,040.
MOST_WEIGHT = 1e4
MOST_KEPT = 1e8  # of what a network keeps beside its weights: such variances, styles, a mean photograph

Network = TypeVar("Network", bound=nn.Module)
# Where a model comes from, as its card tells it.
Training = Mapping[str, Text | int | float | bool | Mapping[str, int] | None]
NOTHING: Training = {}


class ModelConfig(Section):
    """What every ``config.json`` holds; each product adds what it needs to build, load and run its network.

    Attributes:
        format: of which product it is.
        format_version: of this layout.
        retinasynth_version: that wrote it.
        preset: the preset that training started from.
        conventions: of the values in and out, in words.
        training: where it comes from: steps, data, licence, seed and the like.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    format: str
    format_version: int = FORMAT_VERSION
    retinasynth_version: Text = retinasynth.__version__
    preset: Text
    conventions: Mapping[Text, Text]
    training: Training = NOTHING


class GeneratorConfig(ModelConfig):
    """What every generator has.

    Attributes:
        size_px: height and width that it was trained at.
        planes: label planes that a photograph is made from, in the order of the channels.
    """

    format: str = "retinasynth-model"
    size_px: SizePx
    planes: tuple[Plane, ...] = Field(("vessels",), min_length=1)  # of models from before there was a choice

    def share_showing(self, plane: str) -> float:
        """Share of the training pairs in which a plane was known; 0 where nothing tells."""
        known, pairs = self.training.get("known_planes"), self.training.get("pairs")
        if not isinstance(known, Mapping) or not isinstance(pairs, int) or pairs < 1:
            return 0.0
        return known.get(plane, 0) / pairs


Config = TypeVar("Config", bound=ModelConfig)


@dataclass(frozen=True)
class Model(Generic[Network, Config]):
    """A network with what is needed to run it."""

    network: Network
    config: Config


def contiguous_state(network: nn.Module) -> dict[str, torch.Tensor]:
    """The parameters and buffers of a network, on the CPU and in the plain memory order that safetensors writes."""
    return {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}


def write_model_folder(folder: Path, network: nn.Module, config: ModelConfig, card: str, *, half: bool) -> None:
    """Write a model folder, each file atomically.

    Args:
        folder: made where missing.
        network: whose weights are kept.
        config: everything needed to build, load and run it.
        card: the model card, in Markdown.
        half: keep the weights in half precision (float16), in half the space, but for what is too large for it.

    Raises:
        OutputError: a file cannot be written.
    """
    state = contiguous_state(network)
    if half:
        state = {name: _halved(tensor) for name, tensor in state.items()}
    with atomic_path(folder / WEIGHTS) as temporary:
        save_file(state, temporary, metadata={CHECKSUM: checksum(state)})
    write_json(folder / "config.json", config.model_dump(mode="json"))
    write_text(folder / "README.md", card)


def _halved(tensor: Tensor) -> Tensor:
    half = tensor.half()
    return half if tensor.is_floating_point() and torch.isfinite(half).all() else tensor


def checksum(tensors: Mapping[str, Tensor]) -> str:
    """The SHA-256 of named tensors, of their types, shapes and values, in hexadecimal digits."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def format_of(folder: Path) -> str:
    """Which kind of model a folder holds, by the ``format`` in its ``config.json``.

    Raises:
        ModelError: it is no model folder.
    """
    folder = Path(folder)
    with explaining_read_errors(folder):
        if not folder.is_dir():
            raise ModelError(
                f"{folder} is {'a file' if folder.exists() else 'missing'}", expected="a model folder or a run folder"
            )
        paths = [folder / name for name in ("config.json", WEIGHTS)]
        missing = [path.name for path in paths if not path.exists()]
        odd = [path for path in paths if path.exists() and not path.is_file()]
    if missing:
        raise ModelError(
            f"{folder} has no {' and no '.join(missing)}", expected="a folder written by `retinasynth train`"
        )
    if odd:
        raise ModelError(f"{odd[0]} is no file", expected="a folder written by `retinasynth train`")
    return str(_read(folder / "config.json").get("format"))


def fingerprint_of(folder: Path) -> str:
    """The SHA-256 of the file of weights in a model folder.

    Raises:
        ModelError: it is no model folder, or cannot be read.
    """
    format_of(folder)
    with explaining_read_errors(folder):
        return sha256_of(folder / WEIGHTS)


def architecture_of(folder: Path) -> str:
    """Which architecture the generator in a model folder has; empty where its configuration does not tell.

    Raises:
        ModelError: it is no model folder.
    """
    format_of(folder)
    section = _read(folder / "config.json").get("generator")
    return str(section.get("architecture", "")) if isinstance(section, dict) else ""


def read_config(folder: Path, kind: type[Config]) -> Config:
    """The configuration in a model folder.

    Args:
        folder: as `format_of` takes it.
        kind: of the configuration, whose own ``format`` is expected.

    Raises:
        ModelError: it is missing, damaged, of another kind or of another version.
    """
    found, form = format_of(folder), str(kind.model_fields["format"].default)
    path = Path(folder) / "config.json"
    if found != form:
        raise ModelError(f"{path} is not of a {form.replace('-', ' ')}", expected=f'"format": "{form}"')
    values = _read(path)
    if values.get("format_version") != FORMAT_VERSION:
        raise ModelError(
            f"{path} has format version {shown(values.get('format_version'))}",
            expected=f"version {FORMAT_VERSION}",
            do="Use the version of retinasynth that wrote it, or a newer one",
        )
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        problem = error.errors()[0]
        name = ".".join(str(part) for part in problem["loc"])[:MOST_SHOWN]
        raise ModelError(f"{path} is incomplete or foreign ({name}: {problem['msg']})") from error


def _read(path: Path) -> dict[str, Any]:
    return read_json(path, ModelError, what="the configuration of a model", expected="JSON written by retinasynth")


def load_network(folder: Path, build: Callable[[], Network]) -> Network:
    """The network of a model folder with its weights, ready to be run.

    It is first built without memory of its own (on torch's device ``meta``) and compared with what the file says of
    itself, so that a configuration of a network that no memory holds is refused before anything is read.

    Args:
        folder: the model folder.
        build: the network that its configuration describes.

    Raises:
        ModelError: the weights cannot be read, are those of another network, or are damaged.
    """
    path = Path(folder) / WEIGHTS
    with torch.device("meta"):
        network = build()
    wanted = network.state_dict()
    try:
        with safe_open(path, framework="pt") as file:
            held = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - it is no dictionary
            shapes = {name: (str(one.get_dtype()), tuple(one.get_shape())) for name, one in held.items()}
            _refuse_other_weights(path, wanted, shapes)
            tensors = {name: file.get_tensor(name) for name in wanted}
            told = (file.metadata() or {}).get(CHECKSUM)
    except (OSError, SafetensorError) as error:
        raise _wrong_weights(path, reason(error)) from error
    if told is not None and told != checksum(tensors):  # models of version 0.1 tell none
        raise _wrong_weights(path, "they are not as they were written: their checksum is another")
    parameters = {name for name, _ in network.named_parameters()}
    for name, tensor in tensors.items():
        _refuse_wild_numbers(path, name, tensor, MOST_WEIGHT if name in parameters else MOST_KEPT)
    # Copied, since what lies in the file is neither aligned nor safe from whoever changes the file.
    network.load_state_dict({name: tensors[name].to(one.dtype, copy=True) for name, one in wanted.items()}, assign=True)
    return network.eval()


def _refuse_other_weights(
    path: Path, wanted: Mapping[str, Tensor], held: Mapping[str, tuple[str, tuple[int, ...]]]
) -> None:
    differences = list(_differences(wanted, held))
    if differences:
        more = f" and {len(differences) - 3} more" if len(differences) > 3 else ""
        raise _wrong_weights(path, f"{'; '.join(differences[:3])}{more}")


def _differences(wanted: Mapping[str, Tensor], held: Mapping[str, tuple[str, tuple[int, ...]]]) -> Iterator[str]:
    """How the tensors that a file holds differ from those of a network, in words."""
    for name, tensor in wanted.items():
        kinds = ("F32", "F16") if tensor.is_floating_point() else ("I64",)
        kind, shape = held.get(name, ("", ()))
        if not kind:
            yield f"{name} is missing"
        elif shape != tensor.shape or kind not in kinds:
            yield f"{name} is {kind} {shown(shape)} instead of {' or '.join(kinds)} {tuple(tensor.shape)}"
    for name in held:
        if name not in wanted:
            yield f"there is no {shown(name)} in such a network"


def _refuse_wild_numbers(path: Path, name: str, tensor: Tensor, most: float) -> None:
    if not tensor.is_floating_point() or not tensor.numel():
        return
    low, high = tensor.aminmax()  # NaN where there is one
    if not -most <= low <= high <= most:
        raise _wrong_weights(path, f"{name} has values from {low:g} to {high:g}, beyond {most:g}")


def _wrong_weights(path: Path, why: str) -> ModelError:
    return ModelError(
        f"{path} does not hold the weights that config.json describes ({why})",
        do="Copy the model folder again, all files of one model together",
    )


def training_facts(training: Mapping[str, Any]) -> str:
    """What a model card says of the training, as a list."""
    said = {
        name: ", ".join(f"{what} {count}" for what, count in value.items()) if isinstance(value, Mapping) else value
        for name, value in training.items()
    }
    return "\n".join(f"- {name.replace('_', ' ')}: {value}" for name, value in said.items() if value not in ("", None))


def averaging(decay: float) -> str:
    """What a model card says of the weights that a run ends with."""
    return f"exponential moving average, decay {decay}" if decay else "as trained"


def generator_facts(
    eyes: Sequence[str], *, steps: int, epoch_steps: int, data: str, ema_decay: float
) -> dict[str, Any]:
    """What the model card of a generator says of its training.

    Args:
        eyes: the physical eye behind each pair that it learns from.
        steps: that it has made.
        epoch_steps: in which it sees each of them once.
        data: where they are.
        ema_decay: of the moving average of its weights; 0 where there is none.
    """
    return {
        "steps": steps,
        "epochs": round(steps / epoch_steps, 2),
        "pairs": len(eyes),
        "eyes": len(set(eyes)),
        "data": Path(data).name,
        "weights": averaging(ema_decay),
    }
