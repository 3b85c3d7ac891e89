"""DICOM files of fundus cameras, written by hand."""

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

NAME, NUMBER = "Doe^Jane", "MRN-4711"


def put_dicom(
    path: Path, pixels: NDArray[Any], kind: str, *, coded: list[bytes] | None = None, **elements: Any
) -> Path:
    """A file of these pixels, ``([frames,] height, width[, 3])``; `coded` are the frames as JPEG or JPEG 2000."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.encaps import encapsulate
    from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, JPEGBaseline8Bit, generate_uid

    colours = 3 if pixels.ndim > 2 and pixels.shape[-1] == 3 else 1
    rows, columns = pixels.shape[-3:-1] if colours == 3 else pixels.shape[-2:]
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    is_jpeg = coded is not None and coded[0][:2] == b"\xff\xd8"
    syntax = JPEGBaseline8Bit if is_jpeg else JPEG2000Lossless if coded else ExplicitVRLittleEndian
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.77.1.5.1"  # ophthalmic photography, 8 bits
    dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.SOPClassUID, dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPClassUID, generate_uid()
    dataset.PatientName, dataset.PatientID = NAME, NUMBER
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = rows, columns, colours
    dataset.PhotometricInterpretation = kind
    dataset.BitsAllocated = 8 * pixels.dtype.itemsize
    dataset.BitsStored, dataset.HighBit = dataset.BitsAllocated, dataset.BitsAllocated - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    if colours == 3:
        dataset.PlanarConfiguration = 0
    for name, value in elements.items():
        setattr(dataset, name, value)
    if coded is None:
        dataset.PixelData = pixels.tobytes()
        dataset["PixelData"].VR = "OW" if pixels.dtype.itemsize > 1 else "OB"
    else:
        dataset.PixelData = encapsulate(coded)
        dataset["PixelData"].VR = "OB"
    dataset.save_as(path, enforce_file_format=True)
    return path
