"""Files are complete or absent; what killed processes leave behind goes at the next start."""

import os
import subprocess
import sys
import time

import pytest

import abatax.common._writing as writing
from abatax.common import check_writable, complete_file, remove_leftovers
from abatax.scenarios.run import prepare_folder, tidy


def _partial(folder, process, age=0.0):
    with complete_file(folder / "paths.nc") as beside:
        beside.touch()
        name = beside.name.replace(f"-{os.getpid()}.", f"-{process}.")
    (folder / "paths.nc").unlink()
    path = folder / name
    path.write_text("half")
    os.utime(path, (time.time() - age,) * 2)
    return path


@pytest.fixture
def ended():
    """The number of a process that has ended."""
    return int(subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True).stdout)


def test_incomplete_files_of_ended_processes_are_removed(tmp_path, ended):
    for inner in ("", "neutral", ".checkpoint", "neutral/.checkpoint/coarse", "figures", ".comparison"):
        (tmp_path / inner).mkdir(exist_ok=True, parents=True)
        _partial(tmp_path / inner, ended)
    (tmp_path / ".mine.partial.txt").write_text("of somebody else")
    tidy(tmp_path)
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == [".mine.partial.txt"]


def test_files_that_are_being_written_stay(tmp_path, ended):
    runs = _partial(tmp_path, os.getppid())
    elsewhere = tmp_path / _partial(tmp_path, ended).name.replace(writing._host(), "0" * 8)
    elsewhere.write_text("half")  # a process of another machine cannot be asked
    with complete_file(tmp_path / "new.txt") as beside:
        beside.write_text("half")
        remove_leftovers(tmp_path)
        assert beside.exists() and runs.exists() and elsewhere.exists()
    old = time.time() - 2 * 86_400
    for path in (runs, elsewhere):
        os.utime(path, (old, old))
    remove_leftovers(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["new.txt"]


def test_a_number_given_to_this_process_again_is_an_ended_process(tmp_path):
    left = _partial(tmp_path, os.getpid())
    remove_leftovers(tmp_path)
    assert not left.exists()


def test_a_folder_is_made_with_its_first_file(tmp_path):
    folder = prepare_folder(tmp_path / "runs" / "first", ("solution.nc",), False)
    assert list(tmp_path.iterdir()) == []
    with complete_file(folder / "solution.nc") as beside:
        beside.write_text("all")
    assert (folder / "solution.nc").read_text() == "all"


def test_the_check_of_a_folder_leaves_nothing(tmp_path):
    check_writable(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):
        check_writable(tmp_path / "file" / "b")
