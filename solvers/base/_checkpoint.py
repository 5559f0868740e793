import zipfile
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ..._writing import complete_file
from ...models.base import fingerprint


class Checkpoint:
    """The state of one regime's solve, kept in a file that is replaced in one go.

    A checkpoint belongs to a problem and a solver; one of another problem is not used.
    """

    def __init__(self, folder: Path | None, regime: str, solver: Any, problem: Any):
        self.path = None if folder is None else folder / f"{regime}.npz"
        self.mark = "" if folder is None else fingerprint((solver, problem))

    def restore(self, fresh: Any) -> tuple[Any, int]:
        """The saved state and step, or the fresh state and 0."""
        if self.path is None or not zipfile.is_zipfile(self.path):  # absent, or written by something else
            return fresh, 0
        try:
            with np.load(self.path, allow_pickle=False) as file:
                if str(file["mark"]) != self.mark:
                    return fresh, 0
                leaves = [file[f"leaf_{n}"] for n in range(int(file["leaves"]))]
                return jax.tree.unflatten(jax.tree.structure(fresh), leaves), int(file["step"])
        except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile):
            return fresh, 0  # damaged: start anew

    def save(self, state: Any, step: int) -> None:
        """Write beside, then rename."""
        if self.path is None:
            return
        leaves = jax.tree.leaves(state)
        arrays = {f"leaf_{n}": np.asarray(leaf) for n, leaf in enumerate(leaves)}
        with complete_file(self.path) as beside:
            np.savez(
                beside,
                allow_pickle=False,
                mark=np.asarray(self.mark),
                leaves=np.asarray(len(leaves)),
                step=np.asarray(step),
                **arrays,
            )
