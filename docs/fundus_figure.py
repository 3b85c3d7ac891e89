"""Draw images/fundus.png: `python docs/fundus_figure.py`. Grown eyes (rows) in sampled styles (columns)."""

from pathlib import Path

import retinasynth as rs
from retinasynth import images
from retinasynth.eye.label_map import overlay

EYES = (
    (7, {}),
    (12, {"centred_on": "disc", "angle_deg": 35, "cup_to_disc": 0.75}),
    (21, {"people": "diabetic", "haemorrhages": 25, "hard_exudates": 60}),
)
STYLES = (3, 11, 20, 34)  # seeds
SHOWN_PX = 300

model = rs.load("fundus-512")
rows = []
for seed, parameters in EYES:
    eye = rs.grow(seed, 512, **parameters)
    made = [model.generate(eye, seed=style, size="mask") for style in STYLES]
    rows.append([images.resize_photograph(picture, (SHOWN_PX, SHOWN_PX)) for picture in (overlay(eye), *made)])
sheet = images.draw_panels(rows, ["grown labels", *[""] * len(STYLES)])
images.write_photograph(Path(__file__).parent / "images" / "fundus.png", sheet)
