"""Seconds to import the package and to print the command line's help, each in a fresh interpreter.

Why: a command that takes long to say what it can do is not used. Usage:

    python benchmarks/import_time.py
"""

import subprocess
import sys
import time

COMMANDS = {
    "import abatax": ["-c", "import abatax"],
    "import abatax, then abatax.solve": ["-c", "import abatax; abatax.solve"],
    "abatax --help": ["-m", "abatax.cli", "--help"],
    "import jax (for scale)": ["-c", "import jax"],
}


def main():
    for name, arguments in COMMANDS.items():
        seconds = []
        for _ in range(5):
            start = time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
            seconds.append(time.perf_counter() - start)
        print(f"{name:<34} {min(seconds):.2f} s (best of 5)")


if __name__ == "__main__":
    main()
