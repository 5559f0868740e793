"""Seconds of compilation and of everything else for the first solve of a process that has nothing compiled.

Why: what a user waits for in a first session is compilation, not the solve. Every case runs in a process of its own whose folder
of compiled programs is new; with --twice the same is run again with the folder that the first run has filled. CPU seconds are
of the whole process; those of tracing (Python), of lowering and of XLA are what JAX reports: wall seconds, close to CPU seconds
on an idle machine. Usage:

    python benchmarks/compile_times.py [--cases user_model,ak_climate] [--twice]
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CASES = ("user_model", "three_states", "uncertain_damages", "ak_climate", "net_zero", "main_job")
_EVENTS = {
    "tracing": "/jax/core/compile/jaxpr_trace_duration",
    "lowering": "/jax/core/compile/jaxpr_to_mlir_module_duration",
    "xla": "/jax/core/compile/backend_compile_duration",
}


def user_model():
    """One state, one control, nothing in closed form, as a user writes it."""
    from typing import Any, ClassVar, NamedTuple

    import equinox as eqx
    import jax.numpy as jnp

    from abatax.models import AbstractModel, Ambiguity, TimeAdditive, Variable

    class Gap(NamedTuple):
        gap: Any

    class Effort(NamedTuple):
        effort: Any

    class Regulator(AbstractModel):
        preferences: TimeAdditive = eqx.field(default_factory=lambda: TimeAdditive(0.05))
        ambiguity: Ambiguity = eqx.field(default_factory=Ambiguity)
        name: ClassVar[str] = "regulator"

        @property
        def states(self):
            return Gap(Variable("gap", "1", -1.0, 1.0))

        @property
        def controls(self):
            return Effort(Variable("effort", "1/yr", -3.0, 3.0))

        def drift(self, t, x, u, climate):
            return Gap(-0.1 * x.gap + u.effort * jnp.exp(-0.2 * u.effort))

        def diffusion(self, t, x, u):
            return Gap(jnp.array([0.2]))

        def utility(self, t, x, u):
            return -(x.gap**2) - u.effort**2

        def initial_state(self):
            return Gap(jnp.array(0.5))

    return Regulator()


def three_states():
    """Three states, one control, nothing in closed form and no closures: output gap, temperature and knowledge of a user."""
    from typing import Any, ClassVar, NamedTuple

    import equinox as eqx
    import jax.numpy as jnp

    from abatax.models import AbstractModel, Ambiguity, TimeAdditive, Variable

    class Economy(NamedTuple):
        gap: Any
        temperature: Any
        knowledge: Any

    class Choice(NamedTuple):
        effort: Any

    class Transition(AbstractModel):
        preferences: TimeAdditive = eqx.field(default_factory=lambda: TimeAdditive(0.05))
        ambiguity: Ambiguity = eqx.field(default_factory=Ambiguity)
        name: ClassVar[str] = "transition"

        @property
        def states(self):
            return Economy(
                Variable("gap", "1", -1.0, 1.0),
                Variable("temperature", "degC", 0.5, 3.0),
                Variable("knowledge", "1", 0.0, 2.0),
            )

        @property
        def controls(self):
            return Choice(Variable("effort", "1/yr", 0.0, 1.0))

        def drift(self, t, x, u, climate):
            emissions = jnp.exp(x.gap - 0.3 * x.knowledge) * (1.0 - 0.5 * jnp.tanh(u.effort))
            return Economy(
                0.05 - 0.1 * x.gap - 0.05 * u.effort**2,
                0.03 * emissions - 0.01 * x.temperature,
                jnp.sqrt(u.effort + 1e-2) * 0.2 - 0.1 * x.knowledge,
            )

        def diffusion(self, t, x, u):
            return Economy(*(scale * row for scale, row in zip((0.05, 0.05, 0.02), jnp.eye(3), strict=True)))

        def utility(self, t, x, u):
            return x.gap - 0.1 * x.temperature**2 - 0.5 * u.effort**2

        def initial_state(self):
            return Economy(jnp.array(0.0), jnp.array(1.2), jnp.array(0.5))

    return Transition()


_OWN = {"user_model": user_model, "three_states": three_states}


def model_of(case):
    import abatax as ab

    return _OWN[case]() if case in _OWN else ab.models.default_model(case)


class Seconds:
    """What JAX reports, added up as it happens."""

    def __init__(self):
        import jax

        self.total = dict.fromkeys(_EVENTS, 0.0)
        self.programs: dict[str, float] = {}
        self.traces: list[tuple[float, float]] = []  # when each ended, and its seconds
        jax.monitoring.register_event_duration_secs_listener(self._listen)

    def _listen(self, event: str, duration_secs: float, **kwargs: str | int) -> None:
        name = next((name for name, key in _EVENTS.items() if event == key), None)
        if name is None:
            return
        self.total[name] += duration_secs
        if name == "tracing":
            # a trace includes those of the functions that it calls, which were reported before
            now = time.perf_counter()
            while self.traces and self.traces[-1][0] > now - duration_secs:
                self.total[name] -= self.traces.pop()[1]
            self.traces.append((now, duration_secs))
        if name == "xla":
            program = str(kwargs.get("fun_name", "?"))
            self.programs[program] = self.programs.get(program, 0.0) + duration_secs


def run(case):
    """In a process of its own: one case, one line."""
    began = time.process_time(), time.perf_counter()
    seconds = Seconds()
    if case == "main_job":
        from abatax import __main__ as command

        with tempfile.TemporaryDirectory() as folder:
            sys.argv = ["abatax", "run", "--out", str(Path(folder) / "run")]
            try:
                command.main()
            except SystemExit as end:
                assert not end.code, end.code
    else:
        import abatax as ab

        ab.solve(model_of(case))
    cpu, wall = time.process_time() - began[0], time.perf_counter() - began[1]
    parts = [seconds.total[name] for name in _EVENTS]
    print("result", cpu, wall, *parts, sep="\t")
    for program, xla in sorted(seconds.programs.items(), key=lambda item: -item[1])[:8]:
        print("program", program, f"{xla:.2f}", sep="\t")


def measure(case, cache):
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("JAX_COMPILATION", "JAX_PERSISTENT"))}
    environment = inherited | {"ABATAX_COMPILATION_CACHE": str(cache)}
    command = [sys.executable, __file__, "--inside", case]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    lines = [line.split("\t") for line in done.stdout.splitlines() if "\t" in line]
    (result,) = (list(map(float, line[1:])) for line in lines if line[0] == "result")
    return result, [line[1:] for line in lines if line[0] == "program"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--twice", action="store_true", help="again with what the first run has compiled")
    parser.add_argument("--programs", action="store_true", help="list the programs that took longest to compile")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.inside:
        run(asked.inside)
        return
    print(f"{'case':<20} {'cache':<5} {'CPU s':>7} {'wall s':>7} {'tracing':>8} {'lowering':>9} {'XLA':>7} {'rest':>7}")
    for case in asked.cases.split(","):
        with tempfile.TemporaryDirectory() as cache:
            for state in ("cold", "warm")[: 1 + asked.twice]:
                (cpu, wall, tracing, lowering, xla), programs = measure(case, cache)
                rest = wall - tracing - lowering - xla
                print(
                    f"{case:<20} {state:<5} {cpu:7.1f} {wall:7.1f} {tracing:8.1f} {lowering:9.1f} {xla:7.1f} {rest:7.1f}",
                    flush=True,
                )
                for program, seconds in programs if asked.programs else ():
                    print(f"    {program:<40} {seconds:>7} s of XLA")


if __name__ == "__main__":
    main()
