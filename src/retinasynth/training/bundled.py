"""Where models are: bundled ones by name, run folders and model folders by path."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from retinasynth.documents import reason
from retinasynth.errors import ModelError

SEGMENTERS = ("vessels", "disc-cup", "landmarks", "judge")
GENERATORS = ("fundus-512",)
ENHANCERS = ("enhance",)
HERE = Path(__file__).parent.parent / "weights"


def model_folder(model: Path | str, *, bundled: tuple[str, ...] = (), command: str = "train") -> Path:
    """The model folder that is meant.

    Args:
        model: the name of a bundled model, a run folder or a model folder; a folder of that name comes first.
        bundled: names that are allowed.
        command: that resumes a run, for the message where it has not saved a model yet.

    Raises:
        ModelError: there is none.
    """
    folder = Path(model)
    with explaining_read_errors(folder):
        if str(model) in bundled and not folder.exists():
            return HERE / str(model)
        if bundled and not folder.exists():
            raise ModelError(f"{model} does not exist", expected=f"a folder, or one of: {', '.join(bundled)}")
        if not (folder / "config.yaml").is_file():
            return folder
        if not (folder / "model").is_dir():
            raise ModelError(
                f"The run in {folder} has not saved a model yet",
                do=f"Go on with: retinasynth {command} --resume {folder}",
            )
    return folder / "model"


@contextmanager
def explaining_read_errors(folder: Path) -> Iterator[None]:
    """Turn an operating system's error while a model folder is looked into into a `ModelError`."""
    try:
        yield
    except OSError as error:
        raise ModelError(
            f"{folder} cannot be looked into ({reason(error)})", expected="a model folder or a run folder"
        ) from error
