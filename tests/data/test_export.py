"""Data sets as nnU-Net v2 reads them."""

import json

import numpy as np
import pytest
from PIL import Image

from pictures import put_photograph
from retinasynth.data.export import write_nnunet
from retinasynth.data.find import find_eyes, read_eye
from retinasynth.errors import DataError, OutputError


def test_a_set_becomes_one_of_nnunet(phantoms, tmp_path):
    out = tmp_path / "Dataset007_Fundus"
    assert write_nnunet(phantoms, out, ["disc", "cup", "vessels"]) == (4, 2)
    about = json.loads((out / "dataset.json").read_text())
    assert about["labels"] == {"background": 0, "disc": 1, "cup": 2, "vessels": 3}
    assert about["numTraining"] == 4
    assert sorted(path.name for path in (out / "imagesTr").iterdir())[0] == "phantom_000_0000.png"
    eye = read_eye(find_eyes(phantoms).split("train")[0])
    classes = np.asarray(Image.open(out / "labelsTr" / f"{eye.name}.png"))
    assert classes.dtype == np.uint8
    np.testing.assert_array_equal(classes == 3, eye.planes["vessels"])
    np.testing.assert_array_equal(classes == 2, eye.planes["cup"] & ~eye.planes["vessels"])
    assert len(list((out / "labelsTs").iterdir())) == 2
    np.testing.assert_array_equal(np.asarray(Image.open(out / "imagesTr" / f"{eye.name}_0000.png")), eye.photograph)


def test_what_cannot_be_written_is_explained(phantoms, tmp_path):
    put_photograph(tmp_path / "photographs" / "a.png")
    with pytest.raises(DataError, match="no training eye with a photograph and its vessels"):
        write_nnunet(tmp_path / "photographs", tmp_path / "out")
    put_photograph(tmp_path / "full" / "a.png")
    with pytest.raises(OutputError, match="not empty"):
        write_nnunet(phantoms, tmp_path / "full")
