"""Archives of pictures, as the data's are."""

import io
import tarfile
from pathlib import Path

import cv2
import numpy as np


def write_archive(path: Path, pictures: dict[str, np.ndarray]) -> None:
    """Write a tar of pictures, encoded as the endings of their names say."""
    with tarfile.open(path, "w") as archive:
        for name, picture in pictures.items():
            data = cv2.imencode(Path(name).suffix, picture)[1].tobytes()
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
