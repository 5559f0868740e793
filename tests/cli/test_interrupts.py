"""Ctrl-C: exit code 130, one line, within two seconds, and what was finished is gone on from."""

import os
import signal
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from abatax.cli import app

# The watch alone, without the imports of a solve: what the main thread does when the signal comes.
_STUCK = {
    "where exceptions are swallowed": "while True:\n    try:\n        time.sleep(30.0)\n    except BaseException:\n        pass",
    "in compiled code": "import hashlib\nhashlib.pbkdf2_hmac('sha256', b'', b'', 10**9)",
    "in Python": "time.sleep(30.0)",
    "in a callback of the garbage collector": "import gc\ngc.callbacks.append(lambda *_: time.sleep(30.0))\ngc.collect()",
}
_COMMAND = """
import sys, time
from pathlib import Path
import abatax._cli_parts, abatax._interrupt as interrupt
from abatax.common import complete_file
interrupt.watch_for_interrupts()
interrupt.after_an_interrupt(lambda: "the outlook.")
with abatax._cli_parts.reporting(), complete_file(Path(sys.argv[1], "new", "file.txt")) as beside:
    beside.write_text("half")
    print("ready", flush=True)
    BODY
"""

# The forked child only resets its signal handler before it starts another program, so JAX's warning does not apply.
pytestmark = pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")


def _started(script, *arguments):
    process = subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


def _interrupted(process):
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    return process.returncode, errors, time.monotonic() - start


@pytest.mark.parametrize("where", _STUCK)
def test_an_interrupt_ends_the_process_whatever_it_does(where, tmp_path):
    body = _STUCK[where].replace("\n", "\n    ")
    code, errors, seconds = _interrupted(_started(_COMMAND.replace("BODY", body), tmp_path))
    assert (code, errors) == (130, "Interrupted: the outlook.\n")
    assert seconds < 2.0 + _slowness()
    assert list(tmp_path.iterdir()) == []  # neither the half-written file nor the folder made for it


def _slowness():
    """Seconds that a busy machine adds: those of a process that does nothing."""
    start = time.monotonic()
    subprocess.run([sys.executable, "-c", ""], check=True)
    return 4.0 * (time.monotonic() - start)


# A solve that waits after its third step, as one does whose steps take long.
_WAITING = """
import sys, time
import abatax.__main__
from abatax.solvers.base import Checkpoint
save = Checkpoint.save
def waiting(self, state, step):
    save(self, state, step)
    if step == 3:
        print("ready", flush=True)
        time.sleep(60.0)
Checkpoint.save = waiting
abatax.__main__.main()
"""


def test_an_interrupted_solve_goes_on(tmp_path):
    command = ["solve", "linear_quadratic", "--set", "solver.points=41", "--out", str(tmp_path / "run")]
    code, errors, _ = _interrupted(_started(_WAITING, *command))
    lines = errors.splitlines()
    assert code == 130 and len(lines) == 1
    assert lines[0].startswith("Interrupted: finished steps are kept; the same command with --out")
    assert (tmp_path / "run" / ".checkpoint" / "initial.checkpoint").exists()
    assert CliRunner().invoke(app, command).exit_code == 0
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == ["run.json", "solution.abatax", "solution.nc"]


def test_a_background_job_of_a_shell_is_not_interrupted():
    # a shell without job control starts it with the signal ignored, and so it stays
    script = (
        "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "from abatax._interrupt import watch_for_interrupts; watch_for_interrupts()\n"
        "import os; os.kill(os.getpid(), signal.SIGINT); print('goes on')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=dict(os.environ))
    assert (done.returncode, done.stdout) == (0, "goes on\n")
