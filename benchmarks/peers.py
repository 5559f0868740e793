"""Peers and abatax on one shared two-state problem: error of the policy at equal processor time, and time to equal
error.

Why: general solvers of differential equations can be given an HJB equation too; this says what they make of it, each
with what a user who knows it would do, and judges all answers by one code against the exact solution (`ak_climate`
without shocks to productivity). The programs are in `benchmarks/peers/`; each runs alone, on one thread, with the
interpreter of its own environment. A peer that is not installed or fails is listed with the reason. Usage:

    python benchmarks/peers.py --install                      # once: makes the environments
    python benchmarks/peers.py [--peers deepxde,deep_macrofin,jinns] [--environments DIR] [--budget SECONDS]
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import abatax as ab

# On PyPI the newest torch brings several GB of CUDA; this one is built for the processor alone on machines without a GPU's index.
TORCH = "torch==2.13.0"
PEERS = {
    "deepxde": ("deepxde==1.15.0", TORCH),
    "deep_macrofin": ("deep-macrofin==0.5.3", TORCH),
    "jinns": ("jinns==1.10.2",),
}
VARIANTS = {
    "abatax": ("gauss_newton", "features", "finite_difference", "spectral"),
    "deepxde": ("as_written", "scaled", "scaled_closed", "boundary_given"),
    "deep_macrofin": ("as_written", "scaled", "scaled_closed"),
    "jinns": ("scaled", "scaled_closed"),
}
NETWORK = "gauss_newton"  # the trained network that peers are compared with
ORACLE = "boundary_given"  # reads the exact solution
PROGRAMS = Path(__file__).resolve().parent / "peers"
QUANTITIES = {"value": "value", "slope": "slope_temperature", "emissions": "emissions"}  # in answers, in abatax
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_PATIENCE = 3.0  # a program may take so many times its budget and a quarter of an hour: compilation, a busy machine
_NEAR = 1.1  # an answer has come to its final error when it is within this factor of it


class Run(NamedTuple):
    """One solver: its notes (processor seconds, errors by quantity), or the reason why there are none."""

    peer: str
    variant: str
    seconds: np.ndarray
    errors: dict[str, np.ndarray]
    wall: float = np.nan
    setup: float = np.nan
    version: str = ""
    failure: str = ""

    @property
    def label(self) -> str:
        star = " (exact boundary values)" if self.variant == ORACLE else ""
        return f"{self.peer}, {self.variant}{star}"


class Shared:
    """The problem, the points where answers are compared, and what is true there."""

    def __init__(self, count: int = 512):
        self.problem = ab.HJBProblem(ab.models.AKClimate(productivity=None))
        self.exact = ab.validation.exact_value(self.problem.model)
        self.points = ab.validation.region_points(self.problem, count)
        self.truth = ab.validation.quantities(self.problem, self.exact, self.points)

    def judge(self, answer: Any) -> dict[str, np.ndarray]:
        """Relative L2 errors over the region of every note of an answer; the value is centred."""
        errors = {}
        for name, own in QUANTITIES.items():
            notes = np.asarray(answer[name], float)
            if notes.shape[1:] != self.truth[own].shape:
                raise ValueError(f"`{name}` has shape {notes.shape}; it must be (note, {len(self.truth[own])}).")
            if name == "value":
                notes = notes - notes.mean(axis=1, keepdims=True)
            each = (ab.validation.relative_errors({own: row}, {own: self.truth[own]}) for row in notes)
            errors[name] = np.array([e[own][0] for e in each])
        return errors

    def constant(self) -> dict[str, float]:
        """What the reference's mean scores: an answer near it has learnt nothing."""
        errors = ab.validation.relative_errors(self.truth, self.truth)
        return {name: errors[own][2] for name, own in QUANTITIES.items()}

    def asked(self, variant: str, budget: float, seed: int) -> dict[str, Any]:
        """What a program reads. Only the variant that is marked is given values of the exact solution."""
        model = self.problem.model
        economy, climate, damages, emissions = model.economy, model.climate, model.damages, model.controls.emissions
        numbers = {
            "delta": model.preferences.discount_rate,
            "eta": model.emissions_share,
            "alpha": economy.productivity,
            "kappa": economy.adjustment_cost,
            "growth": economy.growth,
            "sigma": economy.volatility,
            "theta": climate.ensemble.mean,
            "varsigma": climate.volatility,
            "gamma1": damages.linear,
            "gamma2": damages.quadratic,
            "least": emissions.low,
            "most": emissions.high,
        }
        low, high = np.array(self.problem.region).T
        asked = {name: float(v) for name, v in numbers.items()} | {"variant": variant, "budget": budget, "seed": seed}
        asked |= {"low": low.tolist(), "high": high.tolist(), "points": np.asarray(self.points).tolist()}
        if variant == ORACLE:
            part = np.linspace(0.0, 1.0, 33)
            faces = [(end, t) if axis == 0 else (t, end) for axis in (0, 1) for end in (0.0, 1.0) for t in part]
            faces = low + np.array(faces) * (high - low)
            value = lambda z: self.exact(jnp.zeros(()), self.problem.state(z))
            asked |= {"faces": faces.tolist(), "on_faces": np.asarray(jax.vmap(value)(jnp.asarray(faces))).tolist()}
        return asked


def interpreter(environments: Path, peer: str) -> Path:
    """The interpreter of a peer's environment; of abatax, this one."""
    inside = Path("Scripts/python.exe") if os.name == "nt" else Path("bin/python")
    return Path(sys.executable) if peer == "abatax" else environments / peer / inside


def install(environments: Path, peer: str) -> None:
    """Make the environment of a peer."""
    venv.create(environments / peer, with_pip=True)
    command = [str(interpreter(environments, peer)), "-m", "pip", "install", "--quiet", *PEERS[peer]]
    if subprocess.run(command, check=False).returncode:
        print(f"{peer}: pip could not install {' '.join(PEERS[peer])}", file=sys.stderr)


def run(shared: Shared, environments: Path, peer: str, variant: str, budget: float, seed: int = 0) -> Run:
    """Run one program and judge what it leaves."""
    failed = lambda reason: Run(peer, variant, np.zeros(0), {}, failure=reason)
    python = interpreter(environments, peer)
    if not python.exists():
        return failed("not installed: call with --install")
    environment = os.environ | dict.fromkeys(_THREADS, "1") | {"JAX_PLATFORMS": "cpu", "DDE_BACKEND": "pytorch"}
    if peer != "abatax":
        environment.pop("PYTHONPATH", None)  # nothing of this environment in that one
    with tempfile.TemporaryDirectory() as folder:
        asked, answer = Path(folder, "asked.json"), Path(folder, "answer.npz")
        asked.write_text(json.dumps(shared.asked(variant, budget, seed)))
        command = [str(python), str(PROGRAMS / f"run_{peer}.py"), str(asked), str(answer)]
        try:
            done = subprocess.run(
                command, cwd=folder, env=environment, capture_output=True, text=True, timeout=_PATIENCE * budget + 900.0
            )
        except subprocess.TimeoutExpired as late:
            return failed(f"stopped after {late.timeout:.0f} s")
        if done.returncode or not answer.exists():
            lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            return failed(lines[-1])
        with np.load(answer) as found:
            seconds, version = found["seconds"], str(found["version"])
            return Run(
                peer, variant, seconds, shared.judge(found), float(found["wall"]), float(found["setup"]), version
            )


def reached(run: Run, error: float) -> float:
    """Processor seconds from which on the error of the emissions stays at most this large; infinite if it does not."""
    above = np.flatnonzero(~(run.errors["emissions"] <= error))
    first = above[-1] + 1 if len(above) else 0
    return float(run.seconds[first]) if first < len(run.seconds) else np.inf


def error_at(run: Run, seconds: float) -> float:
    """Error of the emissions after so many processor seconds (the last note until then; the first if none is so early)."""
    return float(run.errors["emissions"][max(np.searchsorted(run.seconds, seconds, side="right") - 1, 0)])


def against(peer: Run, own: Run) -> tuple[float, float, float]:
    """Error over ours at equal time; seconds the peer took to its final error; seconds we take to that error."""
    final = float(peer.errors["emissions"][-1])
    return final / error_at(own, peer.seconds[-1]), reached(peer, _NEAR * final), reached(own, final)


def table(runs: list[Run], constant: dict[str, float]) -> str:
    """The table in Markdown."""
    own = {r.variant: r for r in runs if r.peer == "abatax" and not r.failure}
    network = own.get(NETWORK)
    others = [r for variant, r in own.items() if variant != NETWORK]
    best = min(others, key=lambda r: r.errors["emissions"][-1], default=None)
    columns = ["solver", *QUANTITIES, "CPU s", "wall s", "set-up CPU s", "its error over the network's, equal time"]
    columns += ["over the best other solver's", "CPU s to its error: itself", "network", "best other solver", "version"]
    lines = [columns, ["---"] * len(columns)]
    lines.append(["constant policy", *(f"{constant[name]:.1e}" for name in QUANTITIES), *[""] * (len(columns) - 4)])
    for r in runs:
        if r.failure:
            lines.append([r.label, f"not run: {r.failure}", *[""] * (len(columns) - 2)])
            continue
        row = [r.label, *(f"{r.errors[name][-1]:.1e}" for name in QUANTITIES)]
        row += [f"{r.seconds[-1]:.3g}", f"{r.wall:.3g}", f"{r.setup:.3g}"]
        compared = [""] * 5
        if r.peer != "abatax" and network is not None and best is not None:
            ratio, itself, ours = against(r, network)
            compared = [f"{ratio:.2g}", f"{against(r, best)[0]:.2g}", *_seconds(itself, ours, against(r, best)[2])]
        lines.append([*row, *compared, r.version])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _seconds(*numbers: float) -> list[str]:
    return [f"{n:.2g}" if np.isfinite(n) else "never" for n in numbers]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--peers", default=",".join(PEERS), help="comma-separated")
    parser.add_argument("--environments", type=Path, default=Path(".peers"))
    parser.add_argument("--budget", type=float, default=60.0, help="processor seconds of training, each")
    parser.add_argument("--install", action="store_true", help="make the environments first")
    options = parser.parse_args()
    peers = [name for name in options.peers.split(",") if name]
    for name in peers:
        if name not in PEERS:
            parser.error(f"--peers: `{name}` is unknown; choose from {', '.join(PEERS)}")
    environments = options.environments.resolve()
    for name in peers if options.install else ():
        install(environments, name)
    shared = Shared()
    runs = []
    for peer in ("abatax", *peers):
        for variant in VARIANTS[peer]:
            print(f"{peer}, {variant} ...", file=sys.stderr, flush=True)
            runs.append(run(shared, environments, peer, variant, options.budget))
    print(f"{platform.processor() or platform.machine()}, one thread each, {options.budget:g} processor seconds\n")
    print(table(runs, shared.constant()))


if __name__ == "__main__":
    main()
