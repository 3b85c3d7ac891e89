"""A photograph of a label map, drawn by rule: fundus, disc, lesions and vessels, seen by a camera."""

from collections.abc import Iterable
from itertools import chain
from typing import Literal, get_args

import numpy as np

from retinasynth.anatomy.render.camera import expose
from retinasynth.anatomy.render.disc import draw_disc
from retinasynth.anatomy.render.fundus import background, choroidal_vessels
from retinasynth.anatomy.render.lesions import bleeding_layers, draw_hard_exudates, draw_soft_exudates
from retinasynth.anatomy.render.noise import octave_noise
from retinasynth.anatomy.render.scene import Colour, Field, Scene, bounds, scene_of, stream
from retinasynth.anatomy.render.style import RenderingStyle, draw_style, draw_wide_style
from retinasynth.anatomy.render.vessels import vessel_layers
from retinasynth.checks import checked_seed
from retinasynth.errors import InputError, SettingError
from retinasynth.eye.eye import Eye
from retinasynth.images import Photograph, through_jpeg

Style = Literal["natural", "randomised"]

RENDERING = 5  # raise when the photographs of the same eyes change


def render_photograph(eye: Eye, seed: int, style: RenderingStyle | None = None) -> Photograph:
    """A photograph of a label map.

    Args:
        eye: any planes; arteries and veins are told apart where both are known, else vessels are of one kind. Without
            the plane fov the whole picture is field of view. Without geometry, a disc diameter is the height of the
            disc, else a fifth of the field of view. The fovea is where its plane, else the geometry says.
        seed: decides the noise, the choroid, where the light comes from, and the style where none is given. Equal
            seeds give equal bits.
        style: how the eye and the camera are; None draws one (`draw_style`).

    Returns:
        ``uint8 (height, width, 3)``, 0 outside the field of view.

    Raises:
        InputError: the eye has no planes, or its field of view is empty.

    Example:
        >>> fov = np.hypot(*np.mgrid[-32:32, -32:32]) < 30
        >>> photograph = render_photograph(Eye("plain", {"fov": fov}), seed=1)
        >>> photograph.shape, photograph[~fov].max(), bool(photograph[fov].mean() > 20)
        ((64, 64, 3), np.uint8(0), True)
    """
    if not eye.planes:
        raise InputError(f"Eye {eye.name} has no planes", expected="at least one, for example fov")
    if style is None:
        style = draw_style(stream(seed, "style"))
    fov = eye.planes.get("fov")
    whole = np.ones(eye.size, np.bool_) if fov is None else fov
    if not whole.any():
        raise InputError(f"Eye {eye.name}: the field of view is empty", expected="some pixels of it")
    window = bounds(whole, 0)
    scene = scene_of(eye, window, whole[window])
    lit = expose(scene, _fundus(scene, seed, style), seed, style)
    photograph = np.zeros((*eye.size, 3), np.uint8)
    quality = style.jpeg_quality
    photograph[window] = lit if quality == 100 else through_jpeg(lit, quality, full_colour=quality >= 90)
    photograph[~whole] = 0
    return photograph


def phantom_photograph(eye: Eye, seed: int = 0, style: Style = "natural", *, person: int | None = None) -> Photograph:
    """A procedural photograph of a label map, grown or real.

    Args:
        eye: with any planes.
        seed: decides camera, pigmentation, light and noise.
        style: ``"natural"`` as photographs are, or ``"randomised"``: colours, contrasts, blur and noise far beyond, so
            that a segmenter trained on them does not rely on any (domain randomisation; Tobin et al., IROS 2017).
        person: decides pigmentation and camera instead of `seed`, for both eyes of a person.

    Returns:
        ``uint8 (height, width, 3)``, black outside the field of view.

    Raises:
        SettingError: there is no such style or seed.
        InputError: the eye has no planes, or its field of view is empty.
    """
    if style not in get_args(Style):
        raise SettingError(f"style is {style!r}", expected=f"one of: {', '.join(get_args(Style))}")
    seed = checked_seed(seed)
    of_style = seed if person is None else checked_seed(person, "person")
    if style == "randomised":
        return render_photograph(eye, seed, draw_wide_style(np.random.default_rng([of_style, RENDERING])))
    return render_photograph(eye, seed, draw_style(stream(of_style, "style")))


def metadata_of(eye: Eye, seed: int) -> dict[str, str]:
    """What the file of a phantom photograph says of itself."""
    return {
        "Synthetic": "This picture is procedural. It shows no patient and is not for diagnosis.",
        "Software": "retinasynth phantom",
        "Seed": str(seed),
        "Eye": eye.name,
    }


def _fundus(scene: Scene, seed: int, style: RenderingStyle) -> list[Field]:
    """The light that comes back from an evenly lit eye, in red, green and blue; 1 is white."""
    rough = octave_noise(scene.frame, stream(seed, "grain"), 0.5, 0.004, 0.86)
    choroid = choroidal_vessels(scene, stream(seed, "choroid"))
    picture = background(scene, rough, choroid, seed, style)
    if scene.disc is not None:
        draw_disc(picture, scene, rough, choroid, style, stream(seed, "disc"))
    draw_hard_exudates(picture, scene)
    _absorb(picture, scene, chain(vessel_layers(scene, style), bleeding_layers(scene, stream(seed, "lesions"))))
    draw_soft_exudates(picture, scene)
    return picture


def _absorb(picture: list[Field], scene: Scene, layers: Iterable[tuple[Field, Colour]]) -> None:
    """Let blood absorb light, in place; densities add up."""
    total = [np.zeros(scene.frame.size, np.float32) for _ in picture]
    for density, colour in layers:
        for channel, share in enumerate(colour):
            total[channel] += share * density
    for view, density in zip(picture, total, strict=True):
        if "disc" in scene.planes:  # over the bright disc no light comes round the sides of a vessel
            density[scene.planes["disc"]] *= 1.5
        np.multiply(view, np.exp(-density), out=view)
