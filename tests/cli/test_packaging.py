"""The links under `src/abatax` become real folders of one package, and nothing else is shipped."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("models", "solvers", "neural_operators", "validation", "scenarios")

# A home folder, or the system's folder for temporary files, with something inside it.
ABSOLUTE_PATH = re.compile(r"(?<![\w.}-])(?:/(?:home|root|Users)/\w|/tmp/[a-z]|[A-Z]:\\Users\\)")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The files of a wheel, by name, built from a copy of the repository with what is installed."""
    scratch = tmp_path_factory.mktemp("wheel")
    unwanted = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist", "runs")
    copy = shutil.copytree(ROOT, scratch / "repository", symlinks=True, ignore=unwanted)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation"]
    done = subprocess.run([*build, "--outdir", scratch, copy], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = scratch.glob("abatax-*.whl")
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize("folder", FOLDERS)
def test_link_is_relative_and_resolves(folder):
    link = ROOT / "src" / "abatax" / folder
    assert link.is_symlink()
    assert link.readlink() == Path("..", "..", folder)
    assert link.resolve() == ROOT / folder


@pytest.mark.parametrize("folder", FOLDERS)
def test_wheel_holds_every_file_of_the_folder(wheel, folder):
    # A data file or page template that is not declared as package data is missed here.
    paths = (path.relative_to(ROOT) for path in (ROOT / folder).rglob("*") if path.is_file())
    expected = {
        f"abatax/{path.as_posix()}"
        for path in paths
        if "__pycache__" not in path.parts and path.suffix != ".md" and path.name[0] != "."
    }
    assert f"abatax/{folder}/__init__.py" in expected
    assert expected <= wheel.keys()


def test_wheel_has_one_top_level_package(wheel):
    tops = {name.split("/")[0] for name in wheel}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"abatax"}
    (top_level,) = (text for name, text in wheel.items() if name.endswith("/top_level.txt"))
    assert top_level.split() == [b"abatax"]


def test_wheel_is_marked_as_typed(wheel):
    assert "abatax/py.typed" in wheel


def test_wheel_declares_the_command(wheel):
    (entry_points,) = (text for name, text in wheel.items() if name.endswith("/entry_points.txt"))
    assert b"abatax = abatax.__main__:main" in entry_points


def test_tracked_files_hold_no_absolute_path():
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: which files are tracked is unknown")
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    found = []
    for name in listing.stdout.decode().split("\0"):
        path = ROOT / name
        if not name or path.is_symlink() or not path.is_file():
            continue
        content = path.read_bytes()
        if b"\0" in content:
            continue
        lines = content.decode(errors="replace").splitlines()
        found += [f"{name}:{i}" for i, line in enumerate(lines, 1) if ABSOLUTE_PATH.search(line)]
    assert not found, f"absolute paths of one machine in tracked files: {found}"
