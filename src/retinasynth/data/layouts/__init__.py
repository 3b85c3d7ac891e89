"""The usual layouts of data sets, one module for each family.

To add a layout, write a function from a folder to what it `Found` there, or None where the folder is not of its kind,
in a module here; `matching.found_in` makes it of photographs and masks by plane, `trees.found_in_tree` of patterns.
Names of folders and files are matched in `retinasynth.data.matching`, subjects and splits found in
`retinasynth.data.splits`. Put the function into `LAYOUTS` before those that would take its folders too, its name into
`retinasynth.data.find.DataSet` and docs/data.md, and a folder of its kind into tests/data/test_layouts.py or, as it is
published, tests/data/test_trees.py.
"""

from collections.abc import Callable
from pathlib import Path

from retinasynth.data.layouts.arteries_veins import find_fundus_avseg, find_hrf_av, find_les_av, find_rite
from retinasynth.data.layouts.classes import find_classes
from retinasynth.data.layouts.crossed import find_crossed
from retinasynth.data.layouts.drishti import find_drishti
from retinasynth.data.layouts.drive_hrf import find_drive_or_hrf
from retinasynth.data.layouts.idrid import find_idrid
from retinasynth.data.layouts.kaggle import find_kaggle
from retinasynth.data.layouts.maples_dr import find_maples_dr
from retinasynth.data.layouts.one_folder import find_chasedb1, find_stare
from retinasynth.data.layouts.origa_g1020 import find_g1020, find_origa
from retinasynth.data.layouts.papila import find_papila
from retinasynth.data.layouts.photographs import find_photographs
from retinasynth.data.layouts.plane_folders import find_planes, find_two_folders
from retinasynth.data.layouts.refuge import find_refuge
from retinasynth.data.layouts.side_by_side import find_side_by_side
from retinasynth.data.matching import Found

# Tried in this order.
LAYOUTS: tuple[Callable[[Path], Found | None], ...] = (
    find_kaggle,
    find_idrid,
    find_chasedb1,
    find_refuge,
    find_papila,
    find_origa,
    find_g1020,
    find_drishti,
    find_rite,
    find_les_av,
    find_hrf_av,
    find_fundus_avseg,
    find_maples_dr,
    find_drive_or_hrf,
    find_planes,
    find_two_folders,
    find_stare,
    find_side_by_side,
    find_crossed,
    find_photographs,  # it takes any picture
    find_classes,  # and any folders of them with known names
)
