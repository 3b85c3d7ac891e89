"""Compare the field of view found in photographs with that drawn by people: `python docs/check_field_of_view.py DATA`.

DATA is a data set with a plane `fov` (docs/data.md). Prints the mean and the lowest Dice overlap, and which it is.
"""

import sys
from pathlib import Path

from retinasynth.data.find import find_eyes, read_eye
from retinasynth.eye.field_of_view import find_field_of_view

overlaps = {}
for files in find_eyes(Path(sys.argv[1])).eyes:
    eye = read_eye(files)
    if eye.photograph is None or "fov" not in eye.planes:
        continue
    found, drawn = find_field_of_view(eye.photograph), eye.planes["fov"]
    overlaps[eye.name] = 2 * (found & drawn).sum() / (found.sum() + drawn.sum())
if not overlaps:
    sys.exit(f"{sys.argv[1]} has no photographs with a plane `fov`")
worst = min(overlaps, key=lambda name: overlaps[name])
mean = sum(overlaps.values()) / len(overlaps)
sys.stdout.write(f"{len(overlaps)} photographs: Dice mean {mean:.4f}, lowest {overlaps[worst]:.4f} ({worst})\n")
