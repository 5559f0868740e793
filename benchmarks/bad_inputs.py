"""Bad inputs to the command line: every field, option, file and folder with extreme values, seeded.

An input passes if it is refused in one line (exit code 1 or 2) and leaves nothing behind, or is accepted. Reported are tracebacks,
refusals of more than one line, files that a refused command has written or changed, incomplete files, hangs and inputs that take
memory without asking. Solves are stubbed: a solver is set up and stops before its first step. A few commands run as processes of
their own, in environments that lack something, and with interrupts.

Usage: python benchmarks/bad_inputs.py [--count 1000] [--seed 0] [--processes 1] [--only KIND] [--show]
"""

import argparse
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import netCDF4
import numpy as np
from typer.testing import CliRunner

import abatax.scenarios.run._comparison_run as comparison
import abatax.solvers._driver as driver
from abatax.cli import app
from abatax.models import MODELS, default_model, parameters_of
from abatax.scenarios import flatten
from abatax.solvers import SOLVERS

HANG = 60.0  # seconds of processor time
MEMORY = 4 * 2**30  # bytes that no refused input may take

WORDS = (
    "inf -inf nan 1e308 -1e308 1e-308 5e-324 0 -0.0 -1 1e400 none None true false 1000 1e9 1e18 0.5 1,2 1,2,3,4,5 , 1,,2"
    " inf,inf nan,1 abc é 0x10 1_000 [1,2] {} AKEconomy Ensemble TimeAdditive published assessed /dev/null .. . = =1 a=b 1e-9"
).split() + ["", " ", "9" * 400, "a" * 300, "1," * 5000 + "1", "\udc80", "1\n2", "٣"]
WHOLE = (-1, 0, 1, 2, 3, 500, 501, 10**5, 10**5 + 1, 10**9, 2**31, 2**63 - 1, 2**63, 2**64, 10**30)
TOML_VALUES = (
    "true false 1 -1 0 1.5 1e308 inf -inf nan 9223372036854775808 '' 'abc' 'inf' 'none' [] [1.0] [[1.0]] [true] ['a'] {} {a=1}"
    " 1979-05-27 07:32:00 1979-05-27T07:32:00Z 0xff"
).split() + ["9" * 5000, "[" * 3000 + "]" * 3000, "'" + "a" * 10**6 + "'", '"\\u0000"', "{a={a={a={a=1}}}}"]
TOML_TEXT = """model = "{model}"
seed = 1
[parameters]
{parameters}
[box]
{box}
[solver]
name = "finite_difference"
points = 21
[simulation]
years = 5
paths = 4
"""


class Accepted(Exception):
    """A solver was set up and would make its first step."""


class Hang(BaseException):
    """An input has taken too long."""


class Input(NamedTuple):
    """A command, its kind, and what prepares the folder in which it runs."""

    kind: str
    arguments: list[str]
    prepare: Callable[[Path], None] = lambda folder: None


# -- inputs -------------------------------------------------------------------------------------------------------------


def fields_of(name: str) -> list[str]:
    """The parameters of a model, dotted, those that are none among them, and its blocks; the last stands for an unknown one."""
    dotted = [field for field, _ in flatten(parameters_of(default_model(name))) if not field.endswith(".type")]
    blocks = {field.rpartition(".")[0] for field in dotted} - {""}
    return [*dotted, *sorted(blocks), "unknown.field"]


def bad_field(rng: random.Random, base: Path) -> Input:
    name = rng.choice(list(MODELS))
    chosen = [rng.choice(fields_of(name)) for _ in range(rng.choice((1, 1, 1, 2)))]
    return Input("field", ["solve", name, *_set(*((field, rng.choice(WORDS)) for field in chosen))])


def bad_option(rng: random.Random, base: Path) -> Input:
    solver = rng.choice(list(SOLVERS))
    name = "dice2016" if solver == "interior_point" else "linear_quadratic"
    options = [f for f in vars(SOLVERS[solver])["__dataclass_fields__"]]
    pair = (f"solver.{rng.choice([*options, 'unknown'])}", rng.choice([*WORDS, *map(str, WHOLE)]))
    dimension = [("dimension", rng.choice("1123"))] if name == "linear_quadratic" else []
    return Input("option", ["solve", name, "--solver", solver, *_set(*dimension, pair)])


def bad_box(rng: random.Random, base: Path) -> Input:
    name = rng.choice(("linear_quadratic", "uncertain_damages", "ak_climate", "dice2016", "net_zero"))
    states = [*getattr(default_model(name), "states", type("", (), {"_fields": ()}))._fields, "unknown", ""]
    ends = "-inf inf nan 0 1 -1 1e308 -1e308 1e-308 1.0000000000000002 3 -3 1e18 a".split()
    count = rng.choice((1, 2, 2, 2, 2, 3))
    pair = f"box.{rng.choice(states)}", ",".join(rng.choice(ends) for _ in range(count))
    return Input("box", ["solve", name, *_set(pair)])


def bad_command(rng: random.Random, base: Path) -> Input:
    number, word = str(rng.choice(WHOLE)), rng.choice(WORDS)
    value = rng.choice((number, word))
    made = [str(base / "solved")]
    return Input(
        "command",
        rng.choice(
            (
                ["solve", word],
                ["solve", "linear_quadratic", "--seed", value],
                ["solve", "linear_quadratic", "--solver", word],
                ["solve", "linear_quadratic", "--set", word],
                ["solve", "linear_quadratic", "--config", word],
                ["solve", rng.choice(list(MODELS)), "--reference", "--solver", rng.choice(list(SOLVERS))],
                ["solve", rng.choice(list(MODELS)), "--sensitivities", "--solver", rng.choice(list(SOLVERS))],
                [
                    "simulate",
                    *made,
                    "--force",
                    "--years",
                    rng.choice((str(rng.choice(WHOLE[8:])), word)),
                    "--paths",
                    "2",
                ],
                [
                    "simulate",
                    *made,
                    "--force",
                    "--paths",
                    rng.choice((str(rng.choice(WHOLE[8:])), word)),
                    "--years",
                    "2",
                ],
                ["simulate", *made, "--force", "--seed", value, "--years", "2", "--paths", "2"],
                ["simulate", *made, "--force", "--measure", word, "--years", "2", "--paths", "2"],
                ["simulate", word],
                ["export", word],
                ["export", *made, "--format", word],
                ["run", word],
                ["compare", word],
                ["compare", "linear_quadratic", "--seeds", value],
                ["compare", "linear_quadratic", "--budget", value],
                ["compare", "linear_quadratic", "--steps", value],
                ["compare", "linear_quadratic", "--parameters", value],
                ["compare", "linear_quadratic", "--tune", value],
                ["compare", "linear_quadratic", "--solvers", word],
                ["compare", "linear_quadratic", "--architectures", word],
                ["compare", "linear_quadratic", *_set((f"solver.{rng.choice(('points', 'steps', 'unknown'))}", word))],
                [word],
                [rng.choice(("solve", "run", "simulate", "export", "compare", "models")), f"--{word}"],
            )
        ),
    )


def bad_toml(rng: random.Random, base: Path) -> Input:
    name = rng.choice(list(MODELS))
    states = getattr(default_model(name), "states", None)
    lines = TOML_TEXT.format(
        model=name,
        parameters="\n".join(f"{field} = 1.0" for field in rng.sample(fields_of(name)[:-1], 2)),
        box="" if states is None else f"{states._fields[0]} = [0.0, 1.0]",
    ).splitlines()
    kind = rng.randrange(8)
    if kind < 4:  # another value
        n = rng.choice([n for n, line in enumerate(lines) if "=" in line])
        lines[n] = f"{lines[n].partition('=')[0]} = {rng.choice(TOML_VALUES)}"
    elif kind == 4:  # another key
        key = rng.choice(("unknown", '""', "a" * 10**5, '"é"', "a." * 2000 + "a", "'a b'", "parameters", "model"))
        lines.insert(rng.randrange(len(lines) + 1), f"{key} = {rng.choice(TOML_VALUES[:12])}")
    elif kind == 5:  # a table more or less
        n = rng.randrange(len(lines))
        lines[n : n + 1] = rng.choice(
            ([], [lines[n], lines[n]], ["[parameters.climate]"], ["[[solver]]"], ["[simulation.years]"])
        )
    content = "\n".join(lines).encode()
    if kind == 6:  # cut off, or damaged bytes
        content = content[: rng.randrange(len(content))]
    elif kind == 7:
        n = rng.randrange(len(content))
        content = content[:n] + rng.choice((b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"=", b"]", b"'")) + content[n:]
    verb = rng.choice((["run"], ["run"], ["solve", "--config"]))
    return Input("toml", [*verb, "case.toml"], lambda folder: _write(folder / "case.toml", content))


CSV_CELLS = "1.5 0 -1 nan inf -inf 1e308 abc =1+1 @x é 1;5 1,5,6".split() + ["", " ", "9" * 400, '"', '"a\nb"', "\x00"]
CSV_HEADERS = (
    "slope [degC/TtC],weight", "weight,slope [degC/TtC]", "sensitivity,weight", "slope [furlong],weight", "slope,slope", "",
    "a,b,c", "weight", "slope [degC/TtC]", "é,ü", "1.5,1", "#", "\ufeffslope [degC/TtC],weight",
)  # fmt: skip


def bad_csv(rng: random.Random, base: Path) -> Input:
    rows = [rng.choice(CSV_HEADERS)]
    for _ in range(rng.choice((0, 1, 2, 5, 2000))):
        good = rng.random() < 0.7
        rows.append(
            f"{rng.uniform(1, 3):.3f},1" if good else ",".join(rng.choice(CSV_CELLS) for _ in range(rng.randint(1, 4)))
        )
    content = rng.choice(("\n", "\r\n", "\r", "\n\n")).join(rows).encode()
    if rng.random() < 0.2:
        content = content[: rng.randrange(len(content) + 1)] + rng.choice((b"\xff", b"\x00", b'"', b"\xfe\xff"))
    name = rng.choice([n for n in MODELS if any("ensemble" in field for field in fields_of(n))])

    def prepare(folder: Path) -> None:
        if rng.random() < 0.05:
            (folder / "case.csv").mkdir()
        else:
            _write(folder / "case.csv", content)

    return Input("csv", ["solve", name, *_set(("climate.ensemble", "case.csv"))], prepare)


JSON_VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "abc",
    "inf",
    [],
    [1],
    {},
    {"a": 1},
    10**30,
    "é" * 1000,
)


def bad_folder(rng: random.Random, base: Path) -> Input:
    source = base / rng.choice(("solved", "solved", "full"))

    def prepare(folder: Path) -> None:
        shutil.copytree(source, folder / "case")
        _damage(rng, folder / "case")

    verb = rng.choice(("simulate", "export", "export"))
    extra = (
        ["--years", "2", "--paths", "2"]
        if verb == "simulate"
        else ["--format", rng.choice(("netcdf", "iamc-csv", "html"))]
    )
    return Input("folder", [verb, "case", "--force", *extra], prepare)


def _damage(rng: random.Random, folder: Path) -> None:
    """One file is changed, cut off, exchanged, removed, or made a folder."""
    files = sorted(p for p in folder.iterdir() if p.suffix in (".json", ".nc", ".csv"))
    path = rng.choice(files)
    kind = rng.choice("change change change cut bytes remove folder exchange".split())
    content = path.read_bytes()
    if kind == "change" and path.suffix == ".json":
        tree = json.loads(content)
        table = rng.choice([tree, tree, tree, *(v for v in tree.values() if isinstance(v, dict) and v)])
        key = rng.choice(list(table))
        table[key] = rng.choice(JSON_VALUES)
        if rng.random() < 0.3:
            del table[key]
        path.write_text(json.dumps(tree))
    elif kind == "change" and path.suffix == ".csv":
        rows = [row.split(",") for row in content.decode().splitlines()]
        row = rng.choice(rows)
        row[rng.randrange(len(row))] = rng.choice(CSV_CELLS[:-3])
        path.write_text("\n".join(",".join(row) for row in rows))
    elif kind == "change":
        with netCDF4.Dataset(path, "a") as file:
            name = rng.choice(list(file.variables))
            values = file[name][...]
            if np.issubdtype(values.dtype, np.number) and values.size:
                values = np.array(values)
                values.flat[rng.randrange(values.size)] = (
                    rng.choice((np.nan, np.inf, -1e300)) if values.dtype.kind == "f" else -1
                )
                file[name][...] = values
    elif kind == "cut":
        path.write_bytes(content[: rng.randrange(len(content))])
    elif kind == "bytes":
        n = rng.randrange(len(content))
        path.write_bytes(content[:n] + bytes(rng.randrange(256) for _ in range(8)) + content[n + 8 :])
    elif kind == "exchange":
        path.write_bytes(rng.choice(files).read_bytes())
    else:
        path.unlink()
        if kind == "folder":
            path.mkdir()


def bad_out(rng: random.Random, base: Path) -> Input:
    """Places for results."""
    out = rng.choice(
        (
            "file",
            "file/inner",
            "a" * 300,
            "x" * 250 + "/" + "y" * 250,
            "é/ü",
            "\udc80",
            "/dev/null",
            "/proc/x",
            ".",
            "taken",
            "a\nb",
        )
    )

    def prepare(folder: Path) -> None:
        (folder / "file").write_text("")
        (folder / "taken").mkdir()
        rng.choice((Path.mkdir, Path.touch))(
            folder / "taken" / rng.choice(("solution.nc", "run.json", ".checkpoint", "comparison.html"))
        )

    verb = rng.choice((["solve", "linear_quadratic"], ["run"], ["compare", "linear_quadratic", "--steps", "1"]))
    return Input("out", [*verb, "--out", out, *rng.choice(([], ["--force"]))], prepare)


KINDS: dict[str, tuple[Callable[[random.Random, Path], Input], float]] = {
    "field": (bad_field, 0.3),
    "option": (bad_option, 0.17),
    "box": (bad_box, 0.06),
    "command": (bad_command, 0.13),
    "toml": (bad_toml, 0.15),
    "csv": (bad_csv, 0.07),
    "folder": (bad_folder, 0.08),
    "out": (bad_out, 0.04),
}


def _set(*pairs: tuple[str, str]) -> list[str]:
    return [part for field, value in pairs for part in ("--set", f"{field}={value}")]


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


# -- judgement ------------------------------------------------------------------------------------------------------------


def stubbed() -> None:
    """Solvers are set up but make no step, nothing is compared; the paths of models in discrete time are not optimised."""

    def iterate(run: Any, solver: Any, problem: Any, size: int, keys: Any, guess: Any) -> Any:
        if problem.model.name == "linear_quadratic" and len(problem.region) < 3:  # others take seconds to set up
            solver.init(problem, size, keys[0], guess)
        raise Accepted

    def optimise(*arguments: Any, **options: Any) -> Any:
        raise Accepted

    comparison.run_comparison = optimise
    driver._Run._iterate = iterate  # pyright: ignore[reportAttributeAccessIssue]
    SOLVERS["interior_point"].optimise = optimise  # pyright: ignore[reportAttributeAccessIssue]


def contents(folder: Path) -> dict[str, str]:
    """The files and folders below a folder, with a hash of what they hold."""
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() if p.is_file() else "folder"
        for p in sorted(folder.rglob("*"))
    }


def judge(case: Input, folder: Path) -> tuple[str, str]:
    """What became of an input: a fault, or how it passed."""
    case.prepare(folder)
    before, memory, start = contents(folder), _peak(), time.process_time()
    signal.setitimer(signal.ITIMER_PROF, HANG)
    try:
        result = CliRunner().invoke(app, case.arguments)
    except Hang:
        return "HANG", f"more than {HANG:.0f} s"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
    error, code = result.exception, result.exit_code
    after = contents(folder)
    partial = [name for name in after if ".partial" in name]
    if isinstance(error, Accepted):
        return ("LEFT BEHIND", ", ".join(partial)) if partial else ("accepted", "")
    if error is not None and not isinstance(error, SystemExit):
        return "TRACEBACK", f"{type(error).__name__}: {error}"[:300]
    if _peak() - memory > MEMORY:
        return "MEMORY", f"{(_peak() - memory) / 2**30:.1f} GiB"
    if code in (0, 3):
        return ("LEFT BEHIND", ", ".join(partial)) if partial else ("accepted", "")
    lines = result.stderr.strip().splitlines()
    if len(lines) != 1 or not lines[0].startswith("error: ") or len(lines[0]) > 2500:
        return "MANY LINES", result.stderr[:300]
    if after != before:
        changed = [name for name in {*before, *after} if before.get(name) != after.get(name)]
        return "LEFT BEHIND", f"{', '.join(sorted(changed))} after: {lines[0][:200]}"
    return f"refused ({code})", lines[0][:160] + f"  [{time.process_time() - start:.1f} s]"


def _peak() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def run_inputs(count: int, seed: int, only: str | None, show: bool) -> Counter:
    """Judge inputs in this process and print the faults."""

    def hang(*arguments: Any) -> None:
        raise Hang

    signal.signal(signal.SIGPROF, hang)
    kinds = [only] if only else list(KINDS)
    weights = [KINDS[kind][1] for kind in kinds]
    tally: Counter = Counter()
    with tempfile.TemporaryDirectory() as root:
        base = Path(root, "base")
        make_base(base)
        stubbed()
        home = Path.cwd()
        for number in range(count):
            rng = random.Random(f"{seed} {number}")
            case = KINDS[rng.choices(kinds, weights)[0]][0](rng, base)
            folder = Path(root, "work")
            folder.mkdir()
            os.chdir(folder)
            try:
                verdict, detail = judge(case, folder)
            finally:
                os.chdir(home)
                shutil.rmtree(folder, ignore_errors=True)
            tally[verdict] += 1
            if (number + 1) % 100 == 0:
                print(f"{number + 1} inputs: {dict(sorted(tally.items()))}", flush=True)
            if verdict.isupper() or show:
                shown = " ".join(a if len(a) < 60 else f"{a[:57]}..." for a in case.arguments)
                print(
                    f"{number:5d} {verdict:12s} {case.kind:8s} abatax {ascii(shown)}\n      {ascii(detail)}", flush=True
                )
    return tally


def make_base(base: Path) -> None:
    """A folder with a solution and paths, and one with everything that `run` writes."""
    small = ["linear_quadratic", "--set", "solver.points=21"]
    config = base.with_suffix(".toml")
    config.write_text('model = "linear_quadratic"\n[solver]\npoints = 21\n[simulation]\nyears = 2\npaths = 4\n')
    for arguments in (
        ["solve", *small, "--out", str(base / "solved")],
        ["simulate", str(base / "solved"), "--years", "2", "--paths", "2"],
        ["run", str(config), "--set", "ambiguity.shocks=1", "--out", str(base / "full")],
    ):
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output + result.stderr
    shutil.rmtree(base / "full" / "figures")


# -- processes of their own -------------------------------------------------------------------------------------------------


class Trial(NamedTuple):
    """A command in an environment that lacks something, or that is interrupted after some seconds."""

    name: str
    arguments: list[str]
    environment: dict[str, str] = {}
    most_bytes: int | None = None  # of a file, as on a full disk
    interrupt: float | None = None  # seconds of processor time


def trials(folder: Path) -> Iterator[Trial]:
    small = ["solve", "linear_quadratic", "--set", "solver.points=21", "--out"]
    yield Trial("no such device", [*small, str(folder / "a")], {"JAX_PLATFORMS": "cuda"})
    yield Trial("ASCII output", [*small, str(folder / "é")], {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
    yield Trial("no cache", [*small, str(folder / "b"), "--reference"], {"XDG_CACHE_HOME": "/dev/null/none"})
    yield Trial("full disk", [*small, str(folder / "c")], most_bytes=1000)
    yield Trial("nearly full disk", [*small, str(folder / "d")], most_bytes=20_000)
    yield Trial("full disk at simulation", ["simulate", str(folder / "ready"), "--force"], most_bytes=50_000)
    yield Trial("full disk at export", ["export", str(folder / "ready"), "--force"], most_bytes=4_000)
    for n, seconds in enumerate((0.1, 0.3, 0.8, 1.6, 2.5, 4.0, 7.0)):
        yield Trial("interrupted run", ["run", "--out", str(folder / f"run{n}")], interrupt=seconds)
    for n, seconds in enumerate((1.0, 3.0, 5.0)):
        yield Trial("interrupted solve", ["solve", "ak_climate", "--out", str(folder / f"solve{n}")], interrupt=seconds)
        many = ["--years", "300", "--paths", "20000", "--force"]
        yield Trial("interrupted simulate", ["simulate", str(folder / "ready"), *many], interrupt=seconds)
        yield Trial("interrupted export", ["export", str(folder / "ready"), "--force"], interrupt=seconds)
        compared = ["compare", "linear_quadratic", "--budget", "30", "--out", str(folder / f"compare{n}")]
        yield Trial("interrupted compare", compared, interrupt=seconds)


def run_trial(trial: Trial, folder: Path) -> tuple[str, str]:
    def limits() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if trial.most_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (trial.most_bytes, trial.most_bytes))

    environment = os.environ | trial.environment
    process = subprocess.Popen(
        [sys.executable, "-m", "abatax", *trial.arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, preexec_fn=limits, cwd=folder,
    )  # fmt: skip
    waited = 0.0
    if trial.interrupt is not None:
        while process.poll() is None and _processor_time(process.pid) < trial.interrupt:
            time.sleep(0.01)
        start = time.monotonic()
        process.send_signal(signal.SIGINT)
    else:
        start = time.monotonic()
    try:
        output, errors = (text.decode(errors="replace") for text in process.communicate(timeout=600))
    except subprocess.TimeoutExpired:
        process.kill()
        return "HANG", "more than 600 s"
    waited = time.monotonic() - start
    partial = [str(p.relative_to(folder)) for p in folder.rglob("*.partial*")]
    if "Traceback" in errors or "Traceback" in output:
        return "TRACEBACK", errors[-400:]
    if partial:
        return "LEFT BEHIND", ", ".join(partial)
    said = errors.strip().splitlines()
    if trial.interrupt is not None:
        if process.returncode != 130:
            return "NOT ENDED", f"exit code {process.returncode}: {errors[-200:]}"
        if sum("Interrupted" in line for line in said) != 1:
            return "MANY LINES", errors[-400:]
        return ("LATE", f"{waited:.1f} s") if waited > 4.0 else ("interrupted", f"{waited:.1f} s: {said[-1]}")
    if process.returncode not in (0, 1, 2, 3):
        return "CRASH", f"exit code {process.returncode}: {errors[-300:]}"
    told = [line for line in said if line.startswith("error:")]
    if process.returncode in (1, 2) and len(told) != 1:
        return "MANY LINES", errors[-400:]
    return f"exit code {process.returncode}", (told or said or [""])[-1][:200]


def _processor_time(pid: int) -> float:
    try:
        numbers = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return np.inf
    return (int(numbers[11]) + int(numbers[12])) / os.sysconf("SC_CLK_TCK")


def run_trials(match: str) -> Counter:
    """Commands as processes of their own."""
    tally: Counter = Counter()
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root)
        for arguments in (
            ["solve", "linear_quadratic", "--set", "solver.points=21", "--out", str(folder / "ready")],
            ["simulate", str(folder / "ready"), "--years", "5", "--paths", "50"],
        ):
            subprocess.run([sys.executable, "-m", "abatax", *arguments], check=True, capture_output=True)
        for trial in trials(folder):
            if match in trial.name:
                verdict, detail = run_trial(trial, folder)
                tally[verdict] += 1
                after = "" if trial.interrupt is None else f" after {trial.interrupt:g} s"
                print(f"{verdict:12s} {trial.name}{after}: {ascii(detail)}", flush=True)
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=list(KINDS))
    parser.add_argument("--show", action="store_true", help="print every input, not only the faults")
    parser.add_argument(
        "--processes", default="", metavar="WORD", help="which commands run as processes; `none` for none"
    )
    options = parser.parse_args()
    start = time.monotonic()
    tally = run_inputs(options.count, options.seed, options.only, options.show)
    print(
        f"{options.count} inputs, seed {options.seed}: {dict(sorted(tally.items()))} in {time.monotonic() - start:.0f} s"
    )
    own = run_trials(options.processes)
    print(f"{sum(own.values())} processes: {dict(sorted(own.items()))}")
    faults = sum(count for verdict, count in (tally + own).items() if verdict.isupper())
    print(f"{faults} faults")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
