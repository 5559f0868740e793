"""The hash of the code of a notebook; nothing beyond the standard library, so that tests need no notebook tools."""

import hashlib
from collections.abc import Mapping
from typing import Any


def code_hash(notebook: Mapping[str, Any]) -> str:
    """SHA-256 of the code cells, independent of text, outputs and of how the file splits lines."""
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return hashlib.sha256("\0".join(cells).encode()).hexdigest()
