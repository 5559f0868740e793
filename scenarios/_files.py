"""Files appear under their name only when they are complete."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def complete_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A path beside `path` to write to; it takes the name `path` when the block ends without an error.

    !!! example

        ```python
        import tempfile
        from pathlib import Path

        from abatax.scenarios import complete_file

        path = Path(tempfile.mkdtemp(), "note.txt")
        with complete_file(path) as beside:
            beside.write_text("done")
        assert path.read_text() == "done" and not beside.exists()
        ```
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays last: writers choose the format by it.
    beside = path.with_name(f".{path.stem}-{os.getpid()}.partial{path.suffix}")
    try:
        yield beside
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
