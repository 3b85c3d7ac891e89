"""Draw images/grown.png: `python docs/grown_figure.py`. Four grown eyes, as labels and as phantom photographs."""

from pathlib import Path

import retinasynth as rs
from retinasynth import images
from retinasynth.eye.label_map import overlay

EYES = (
    ("adult", 7, {}),
    ("child", 5, {"people": "child", "centred_on": "disc", "angle_deg": 35}),
    ("glaucoma", 12, {"centred_on": "disc", "angle_deg": 30, "cup_to_disc": 0.8, "notch": 0.7}),
    ("diabetic retinopathy", 21, {"people": "diabetic", "haemorrhages": 25, "hard_exudates": 70, "soft_exudates": 4}),
)
SIZE_PX = 640
SHOWN_PX = 320

shown = []
for _, seed, parameters in EYES:
    eye = rs.grow(seed, SIZE_PX, **parameters)
    shown.append((overlay(eye), rs.phantom_photograph(eye, seed)))
rows = [[images.resize_photograph(eye[row], (SHOWN_PX, SHOWN_PX)) for eye in shown] for row in (0, 1)]
sheet = images.draw_panels(rows, [title for title, _, _ in EYES])
images.write_photograph(Path(__file__).parent / "images" / "grown.png", sheet)
