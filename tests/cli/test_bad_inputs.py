"""The seeded bad inputs of `benchmarks/bad_inputs.py`: no traceback, nothing half-written, no hang."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_bad_inputs_are_refused_in_one_line_and_leave_nothing():
    script = Path(__file__).parents[2] / "benchmarks" / "bad_inputs.py"
    command = [sys.executable, str(script), "--count", "100", "--seed", "3", "--processes", "none"]
    done = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ))
    assert done.returncode == 0, done.stdout + done.stderr
