"""Execute the notebooks and store them with their outputs.

    python notebooks/execute.py [NAME ...]

Without names every notebook is executed, each from top to bottom in a process of its own. The metadata then contain a hash
of the code cells and the version of abatax, so that `tests/docs/test_notebooks.py` recognises a notebook that was changed
without being executed. Figures are stored with few colours, which a line drawing does not need more of.
"""

import argparse
import base64
import io
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import nbformat
from freshness import code_hash
from nbclient import NotebookClient
from PIL import Image

import abatax as ab

FOLDER = Path(__file__).parent
COLOURS = 64  # of a stored figure
SECONDS = 600  # longest time of a cell on a busy machine


def main() -> None:
    parser = argparse.ArgumentParser(description="Execute notebooks and store them with their outputs.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="a notebook without its ending; all by default")
    known = {path.stem: path for path in sorted(FOLDER.glob("*.ipynb"))}
    names = [Path(name).stem for name in parser.parse_args().names] or list(known)
    unknown = [name for name in names if name not in known]
    if unknown:
        parser.error(f"there is no notebook `{unknown[0]}`; the notebooks are {', '.join(known)}.")
    for name in names:
        start, before = time.perf_counter(), _cpu_seconds()
        execute(known[name])
        print(f"{name}: {time.perf_counter() - start:.0f} s, {_cpu_seconds() - before:.0f} CPU s", flush=True)


def execute(path: Path) -> None:
    """Execute a notebook in an empty folder and write it back; an error in a cell is raised and nothing is written."""
    notebook: Any = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(
            notebook,
            timeout=SECONDS,
            kernel_name="python3",
            record_timing=False,
            resources={"metadata": {"path": folder}},
            extra_arguments=["--InlineBackend.figure_formats={'png2x'}"],
        ).execute()
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
        cell["metadata"] = {}
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                output["data"]["image/png"] = _reduced(output["data"]["image/png"])
                output["data"].pop("text/plain", None)
    notebook["metadata"] = {
        "abatax": {"code": code_hash(notebook), "version": ab.__version__},
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    nbformat.validate(notebook)
    nbformat.write(notebook, path)


def _reduced(image: str) -> str:
    """A figure with at most `COLOURS` colours, as base64 text."""
    picture = Image.open(io.BytesIO(base64.b64decode(image))).convert("RGB")
    stored = io.BytesIO()
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(stored, format="PNG", optimize=True)
    return base64.b64encode(stored.getvalue()).decode()


def _cpu_seconds() -> float:
    """CPU seconds of the processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
