"""Compiled programs are kept for the next process, where the user or JAX says."""

import os
import subprocess
import sys

import pytest

FOLDER = "import os, abatax; print(os.environ.get('JAX_COMPILATION_CACHE_DIR'))"


def process(script, **environment):
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("JAX_COMPILATION", "JAX_PERSISTENT"))}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=inherited | environment)
    assert done.returncode == 0, done.stderr
    return done


def test_it_is_in_the_users_cache_folder(tmp_path):
    folder = process(FOLDER, XDG_CACHE_HOME=str(tmp_path)).stdout.strip()
    assert folder.startswith(str(tmp_path / "abatax" / "xla")) and os.path.isdir(folder)


@pytest.mark.parametrize("word", ["off", "0", "OFF"])
def test_the_switch_turns_it_off(tmp_path, word):
    done = process(FOLDER, XDG_CACHE_HOME=str(tmp_path), ABATAX_COMPILATION_CACHE=word)
    assert done.stdout.strip() == "None" and not list(tmp_path.iterdir())


def test_the_switch_turns_off_what_a_parent_process_has_chosen(tmp_path):
    script = (
        "import abatax, os, subprocess, sys; os.environ['ABATAX_COMPILATION_CACHE'] = 'off';"
        f"subprocess.run([sys.executable, '-c', {FOLDER!r}])"
    )
    assert process(script, XDG_CACHE_HOME=str(tmp_path)).stdout.strip() == "None"


def test_the_switch_names_another_folder(tmp_path):
    other = tmp_path / "other"
    assert process(FOLDER, ABATAX_COMPILATION_CACHE=str(other)).stdout.strip() == str(other)


def test_a_folder_chosen_for_jax_wins(tmp_path):
    chosen = {"JAX_COMPILATION_CACHE_DIR": str(tmp_path / "jax"), "XDG_CACHE_HOME": str(tmp_path)}
    for switch in ("off", str(tmp_path / "other"), ""):
        assert process(FOLDER, **chosen, ABATAX_COMPILATION_CACHE=switch).stdout.strip() == str(tmp_path / "jax")
    script = (
        f"import jax; jax.config.update('jax_compilation_cache_dir', {str(tmp_path / 'config')!r}); import abatax;"
        "print(jax.config.jax_compilation_cache_dir)"
    )
    assert process(script, XDG_CACHE_HOME=str(tmp_path)).stdout.strip() == str(tmp_path / "config")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_one_warning(tmp_path):
    (tmp_path / "file").write_text("")
    script = FOLDER + "; import abatax.models; abatax.use_compilation_cache()"
    done = process(script, XDG_CACHE_HOME=str(tmp_path / "file"))
    assert done.stdout.strip() == "None"
    assert done.stderr.count("compiled programs are not kept") == 1 and "ABATAX_COMPILATION_CACHE" in done.stderr


def test_programs_are_kept_until_it_is_turned_off(tmp_path):
    script = """
import os, jax, abatax
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
folder = abatax.use_compilation_cache()
assert jax.config.jax_compilation_cache_dir == str(folder)
jax.jit(lambda x: x + 1.0)(1.0)
kept = len(os.listdir(folder))
assert kept > 0
assert abatax.use_compilation_cache(False) is None
jax.jit(lambda x: x + 2.0)(1.0)
assert len(os.listdir(folder)) == kept
again = abatax.use_compilation_cache(folder)
jax.jit(lambda x: x + 3.0)(1.0)
assert again == folder and len(os.listdir(folder)) > kept
"""
    process(script, XDG_CACHE_HOME=str(tmp_path))
