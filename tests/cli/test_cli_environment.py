"""What the machine lacks is told in one line, and nothing half-written stays."""

import errno
import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

import abatax.common
import abatax.scenarios.store._storage as storage
from abatax.cli import app
from abatax.scenarios import ReferenceStore

SMALL = ["solve", "linear_quadratic", "--set", "solver.points=21", "--set", "solver.levels=2"]


def call(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def process(script, **environment):
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=os.environ | environment)


def test_a_device_that_is_not_there():
    done = process("import abatax.__main__ as a; a.main()", JAX_PLATFORMS="nonesuch")
    assert done.returncode == 2  # no arguments: the help
    script = "import sys; sys.argv = ['abatax', 'models']; import abatax.__main__ as a; a.main()"
    done = process(script, JAX_PLATFORMS="nonesuch")
    assert done.returncode == 1 and done.stderr.startswith("error: JAX_PLATFORMS is 'nonesuch'")
    assert len(done.stderr.splitlines()) == 1


def test_a_name_that_the_output_cannot_encode_is_escaped():
    script = "import abatax.cli as c; c.app = lambda: print('Written: \\u00e9'); c.main()"
    done = process(script, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert (done.returncode, done.stdout) == (0, "Written: \\xe9\n")


@pytest.mark.parametrize("code, words", [(errno.ENOSPC, "No space left on device"), (errno.EDQUOT, "quota")])
def test_a_full_disk(tmp_path, monkeypatch, code, words):
    def write(data, path):
        with abatax.common.complete_file(path) as beside:
            beside.write_bytes(b"half")
            raise OSError(code, os.strerror(code), str(path))

    monkeypatch.setattr(storage, "write_netcdf", write)
    result = call(*SMALL, "--out", tmp_path / "run")
    assert result.exit_code == 1 and len(result.stderr.strip().splitlines()) <= 2
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ") and words in last and "choose another folder" in last
    assert [p.name for p in tmp_path.rglob("*") if p.is_file() and ".partial" in p.name] == []
    assert not (tmp_path / "run" / "solution.nc").exists()
    monkeypatch.undo()
    assert call(*SMALL, "--out", tmp_path / "run").exit_code == 0  # goes on from the checkpoint


def test_references_that_cannot_be_kept_are_refused_before_the_solve(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    result = call(*SMALL, "--reference", "--out", tmp_path / "run")
    assert result.exit_code == 2 and len(result.stderr.strip().splitlines()) == 1
    assert "the folder of references is" in result.stderr and "XDG_CACHE_HOME" in result.stderr
    assert not (tmp_path / "run").exists()
    assert ReferenceStore().folder == tmp_path / "file" / "abatax" / "references"


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["simulate", "x", "--years", "many"], "--years"),
        (["solve", "linear_quadratic", "--unknown", "1"], "--unknown"),
        (["nonesuch"], "nonesuch"),
        (["simulate"], "DIR"),
        (["solve", "linear_quadratic", "--seed", "9" * 30], "`--seed`"),
    ],
)
def test_misuse_is_one_line(arguments, words):
    result = call(*arguments)
    assert result.exit_code == 2 and len(result.stderr.strip().splitlines()) == 1
    assert result.stderr.startswith("error: ") and words in result.stderr
