"""Which outputs of a traced program depend on which of its inputs."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def dependent_outputs(program: Any, inputs: Sequence[bool]) -> list[bool]:
    """Whether each output of a jaxpr depends on any of the marked inputs.

    Dependences are followed through calls, branches and loops. An input that a callee ignores, or that is multiplied by a literal
    zero, does not count. For primitives with inner programs of another kind every output is assumed to depend on every input.

    **Arguments:**

    - `program`: a jaxpr, as returned by `jax.make_jaxpr`.
    - `inputs`: one mark per flat input.

    !!! example

        ```python
        import jax
        import jax.numpy as jnp

        from abatax.models.base import dependent_outputs

        program = jax.make_jaxpr(lambda t, x: (t * x, jnp.sin(x)))(0.0, 1.0)
        assert dependent_outputs(program, [True, False]) == [True, False]
        ```
    """
    jaxpr, constants = (program.jaxpr, program.consts) if hasattr(program, "jaxpr") else (program, ())
    marked = {variable for variable, mark in zip(jaxpr.invars, inputs, strict=True) if mark}
    zeros = {v for v, value in zip(jaxpr.constvars, constants, strict=False) if _is_zero(value)}

    def depends(variable: Any) -> bool:
        return not _is_literal(variable) and variable in marked

    def vanishes(variable: Any) -> bool:
        return _is_zero(variable.val) if _is_literal(variable) else variable in zeros

    for equation in jaxpr.eqns:
        marks = [depends(variable) for variable in equation.invars]
        if not any(marks):
            continue
        if equation.primitive.name == "mul" and any(vanishes(variable) for variable in equation.invars):
            continue
        marked.update(v for v, mark in zip(equation.outvars, _through(equation, marks), strict=True) if mark)
    return [depends(variable) for variable in jaxpr.outvars]


def _is_literal(variable: Any) -> bool:
    return hasattr(variable, "val")


def _is_zero(value: Any) -> bool:
    """Whether a constant is zero; tracers and random keys are not."""
    try:
        return not np.any(np.asarray(value))
    except Exception:
        return False


def _through(equation: Any, marks: list[bool]) -> list[bool]:
    """The outputs of one operation that depend on its marked inputs."""
    name, parameters = equation.primitive.name, equation.params
    if name == "scan":
        return _scan(parameters, marks)
    if name == "while":
        return _while(parameters, marks)
    if name == "cond":
        branches = [dependent_outputs(branch, marks[1:]) for branch in parameters["branches"]]
        return [marks[0] or any(outputs) for outputs in zip(*branches, strict=True)]
    for key in ("jaxpr", "call_jaxpr", "fun_jaxpr"):
        inner = parameters.get(key)
        inner_jaxpr = getattr(inner, "jaxpr", inner)
        if hasattr(inner_jaxpr, "eqns") and len(inner_jaxpr.invars) == len(marks):
            outputs = dependent_outputs(inner, marks)
            if len(outputs) == len(equation.outvars):
                return outputs
    return [True] * len(equation.outvars)


def _scan_sizes(parameters: dict[str, Any]) -> tuple[int, int]:
    """The number of constants and of carried arrays of a scan."""
    if "num_consts" in parameters:
        return parameters["num_consts"], parameters["num_carry"]
    constants, carry, _ = parameters["ft_in"].unpack()  # JAX 0.12 names the inputs instead of counting them
    return len(constants), len(carry)


def _scan(parameters: dict[str, Any], marks: list[bool]) -> list[bool]:
    constants, carried = _scan_sizes(parameters)
    head, carry, each = marks[:constants], marks[constants : constants + carried], marks[constants + carried :]
    while True:  # until the set of dependent parts of the carry is stable
        outputs = dependent_outputs(parameters["jaxpr"], [*head, *carry, *each])
        wider = [a or b for a, b in zip(carry, outputs[:carried], strict=True)]
        if wider == carry:
            return [*carry, *outputs[carried:]]
        carry = wider


def _while(parameters: dict[str, Any], marks: list[bool]) -> list[bool]:
    tests, bodies = parameters["cond_nconsts"], parameters["body_nconsts"]
    test, body, carry = marks[:tests], marks[tests : tests + bodies], marks[tests + bodies :]
    while True:
        outputs = dependent_outputs(parameters["body_jaxpr"], [*body, *carry])
        wider = [a or b for a, b in zip(carry, outputs, strict=True)]
        if any(dependent_outputs(parameters["cond_jaxpr"], [*test, *wider])):
            return [True] * len(carry)  # the number of iterations depends on a marked input
        if wider == carry:
            return carry
        carry = wider
