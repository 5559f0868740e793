from pathlib import Path
from typing import Any

import jax
import numpy as np

from ...models.base import fingerprint
from ._archive import DamagedArchiveError, ForeignArchiveError, read_archive, write_archive


class Checkpoint:
    """The state of the solve of one regime, kept in a file that is replaced at once.

    A checkpoint belongs to a problem and a solver; the checkpoint of another problem or solver is not used.
    """

    def __init__(self, folder: Path | None, regime: str, solver: Any, problem: Any):
        self.path = None if folder is None else folder / f"{regime}.checkpoint"
        self.mark = "" if folder is None else fingerprint((solver, problem))

    def restore(self, fresh: Any) -> tuple[Any, int]:
        """The saved state and step, or the fresh state and 0 if there is none that belongs to this solve."""
        if self.path is None:
            return fresh, 0
        try:
            about, arrays = read_archive(self.path)
        except (OSError, DamagedArchiveError, ForeignArchiveError):  # absent, damaged, or written by something else
            return fresh, 0
        structure = jax.tree.structure(fresh)
        if about.get("mark") != self.mark or len(arrays) != structure.num_leaves:
            return fresh, 0
        return jax.tree.unflatten(structure, [arrays[str(n)] for n in range(len(arrays))]), about["step"]

    def save(self, state: Any, step: int) -> None:
        """Write the state to a temporary file and rename it."""
        if self.path is not None:
            arrays = {str(n): np.asarray(leaf) for n, leaf in enumerate(jax.tree.leaves(state))}
            write_archive(self.path, {"mark": self.mark, "step": int(step)}, arrays)
