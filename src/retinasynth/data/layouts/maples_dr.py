"""MAPLES-DR: vessels, disc, cup and lesions of photographs of MESSIDOR."""

from pathlib import Path

from retinasynth.data.layouts.trees import Kind, Tree, found_in_tree
from retinasynth.data.matching import Found

_EYE = r"(?P<eye>\d{8}_\d{5}_\d{4}_PP)"
_SIDE = "?MAPLES.DR.*/(?P<split>train|test)"
_FOLDERS = {
    "Vessels": "vessels",
    "Optic_?Disc": "disc",
    "Optic_?Cup": "cup",
    "Microaneurysms": "microaneurysms",
    "Hemorrhages": "haemorrhages",
    "Exudates": "hard_exudates",
    "Cotton_?Wool_?Spots": "soft_exudates",
}
_MAPLES_DR = Tree(
    "maples-dr",
    Kind(
        (r"?messidor.*/?Base\d\d", "images", f"{_SIDE}/images"),
        rf"{_EYE}\.(tif|tiff|png|jpg)",
    ),
    tuple(Kind((f"{_SIDE}/{name}",), rf"{_EYE}\.png", plane) for name, plane in _FOLDERS.items()),
    is_only_labelled=True,
    may_lack_photographs=True,
)


def find_maples_dr(folder: Path) -> Found | None:
    """MAPLES-DR: ``{train,test}/{Vessels,OpticDisc,OpticCup,Exudates ...}/20051019_38557_0100_PP.png``, all binary.

    The photographs are MESSIDOR's, which come from elsewhere: in ``images``, or in ``Base11`` to ``Base34``, beside the
    masks or in a folder called after MESSIDOR. Those without labels are left out; without any photograph these are
    label maps alone. The folders may also be called as the set's own library writes them (``optic_disc``). Exudates
    are the hard ones, cotton wool spots the soft ones. Macula, drusen, new vessels and uncertain lesions have no plane
    here. The grades in ``diagnosis.csv`` of each side are read as those of other sets (`retinasynth.data.told`).

    Raises:
        DataError: an eye has two files of one kind, or two photographs one name.
    """
    return found_in_tree(_MAPLES_DR, folder)
