"""Files of arrays with a checksum: they are written completely or not at all, and damage is detected."""

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from ...common import complete_file

_MAGIC = b"abatax archive 1\n"  # the number is increased with every change that an older reader would misinterpret


class DamagedArchiveError(Exception):
    """The file is an archive with damaged contents."""


class ForeignArchiveError(Exception):
    """The file was not written by abatax."""


def write_archive(path: Path, about: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Write arrays and their description to one file, which is replaced at once.

    **Arguments:** `about`: data that JSON can represent. `arrays`: arrays of numbers, Booleans or text by name.
    """
    file = io.BytesIO()
    np.savez(
        file, allow_pickle=False, about=np.asarray(json.dumps(about)), **{f"array {k}": v for k, v in arrays.items()}
    )
    body = file.getvalue()
    with complete_file(path) as beside:
        beside.write_bytes(_MAGIC + hashlib.sha256(body).hexdigest().encode() + b"\n" + body)


def read_archive(path: Path) -> tuple[Any, dict[str, np.ndarray]]:
    """The description and the arrays of a file that [`write_archive`][] wrote.

    **Raises:** `OSError` if the file cannot be read; `DamagedArchiveError` and `ForeignArchiveError` with the reason.
    """
    raw = path.read_bytes()
    if not raw.startswith(_MAGIC):
        if _MAGIC.startswith(raw):
            raise DamagedArchiveError("the file is cut off")
        raise ForeignArchiveError("the file was not written by this version of abatax")
    checksum, _, body = raw[len(_MAGIC) :].partition(b"\n")
    if hashlib.sha256(body).hexdigest().encode() != checksum:
        raise DamagedArchiveError("the file is damaged (its checksum is wrong)")
    try:
        with np.load(io.BytesIO(body), allow_pickle=False) as file:
            arrays = {name.removeprefix("array "): file[name] for name in file.files if name != "about"}
            return json.loads(str(file["about"])), arrays
    except (KeyError, ValueError, zipfile.BadZipFile) as error:
        raise DamagedArchiveError(f"the file holds no arrays ({type(error).__name__})") from None
