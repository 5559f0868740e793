import equinox as eqx


class RESULTS(eqx.Enumeration):
    """How a solve ended. The text of each code gives advice for the next attempt.

    !!! example

        ```python
        import abatax as ab

        assert ab.solvers.RESULTS[ab.solvers.RESULTS.successful] == "The solution converged."
        ```
    """

    successful = "The solution converged."
    max_steps_reached = (
        "The maximum number of solver steps was reached before convergence; the last iterate is kept. "
        "Increase `max_steps`, or start from the solution of a nearby problem with `guess`."
    )
    max_seconds_reached = (
        "The time limit was reached before convergence; the last iterate is kept. Increase `max_seconds`, use fewer "
        "points, or start from the solution of a nearby problem with `guess`."
    )
    nonfinite = (
        "A value became infinite or not a number; the last finite iterate is kept. Start from a `guess` with the "
        "right signs, weaken the aversion to ambiguity (raise the penalty), or check the utility at the bounds "
        "of the controls."
    )
    outward_drift = (
        "The optimal drift points out of the box at a face that is a state constraint: this is a spurious root, not the "
        "value function. Enlarge the box, or start from a `guess` with the right signs. If the planner is averse to ambiguity about "
        "the shocks, the penalty may be below the breakdown of robustness, where no finite value exists: raise it."
    )
    stalled = (
        "The residual could not be reduced further; the monotone first-order solution from which the iteration started is "
        "kept. Use more points or features, a lower `order`, or a larger margin at the outflow faces."
    )
    unsettled = (
        "Policy iteration on the monotone first-order scheme did not converge to a fixed point; the last iterate is kept, but it "
        "is not a solution. Start from a `guess`, change `points`, weaken the aversion to ambiguity (raise the penalty), or "
        "check that the problem has a finite value."
    )
    oscillating = (
        "The high-order solution oscillates between nodes where the monotone first-order solution does not; the first-order "
        "solution is kept. Use more points; if that does not help, the problem may have no finite value: weaken the aversion to "
        "ambiguity (raise the penalty)."
    )
    pinned = (
        "In a large part of the region of interest a control is at a bound although its optimum is declared to be interior "
        "(`interior_controls`) or the Hamiltonian rises away from the bound. This indicates a false branch. Start from a `guess` "
        "with the right signs, or widen the bounds of the control."
    )
    missed_maximum = (
        "A finer scan of the controls finds a higher Hamiltonian than the numerical maximiser: a narrow maximum was missed. "
        "Increase the model's `scan_fineness`, narrow the bounds of the controls, or give the maximiser in closed form "
        "(`ClosedFormControl`)."
    )
    wrong_sign = (
        "A marginal value does not have the declared sign in a large part of the region of interest: this is a false branch. "
        "Start from a `guess` with the right signs."
    )
    undetermined = (
        "Noise or drift carries the state across a face, and the solution inside depends on the unknown values outside. Enlarge the "
        "box or the `extension` of the face, or close the face with a known `Growth`; increase the discount rate if utility may grow "
        "without bound."
    )
    infinite_value = (
        "No finite value: utility along the optimal path grows at least at the discount rate, or its sign is opposite to the sign of "
        "its discounted sum. Discount more, bound the growth of utility or of the states, or, if growth ends outside the box, enlarge "
        "the box; if the value is known to be finite, start from a `guess` with the right signs."
    )
    open_face = (
        "The solution depends on the closure of a face that the model leaves open: it changes with the size of the box and with "
        "the closure. Give the closure in `closures`: `StateConstraint()` if the state cannot go beyond the face, `Growth` if the "
        'slope of the value is known. `stats["faces"]` names the face.'
    )
    no_descent = (
        "No further step improves the path, but the optimality conditions do not hold yet; the last path is kept. "
        "Start from another `guess`, closer to full abatement, or widen the bounds if no path satisfies the limits."
    )
    unresolved = (
        "The grid or the basis is too coarse for the solution: the equation does not hold between the nodes, and the remaining "
        "residual corresponds to a relative error of the value above 1e-3. Use more points or features; for a kink use finite "
        "differences, which need less smoothness."
    )
    extrapolated = (
        "Jumps from the region of interest land beyond the box, and the solution inside depends on the extrapolated value there. "
        "Give the closures an `extension` as wide as the jumps, enlarge the box, or close the face with a known `Growth`."
    )
    untrained = (
        "The equation does not hold between the points on which the networks were trained. Train longer (more `steps`, more "
        "`patience`), use more `points` or `parameters`, let the networks correct a grid (`coarse`), or use finite differences."
    )


def result_name(result: RESULTS) -> str:
    """The name of a result code, as stored in files.

    **Arguments:**

    - `result`: a code of `RESULTS`.

    **Returns:** the name, such as `successful` or `stalled`.

    !!! example

        ```python
        import abatax as ab

        assert ab.solvers.result_name(ab.solvers.RESULTS.stalled) == "stalled"
        ```
    """
    return next(name for name, item in RESULTS._name_to_item.items() if bool(result == item))  # pyright: ignore[reportAttributeAccessIssue]


def result_advice(result: RESULTS) -> str:
    """The advice of a result code.

    **Arguments:**

    - `result`: a code of `RESULTS`.

    **Returns:** one or two sentences: what happened and what to try next.

    !!! example

        ```python
        import abatax as ab

        assert "time limit" in ab.solvers.result_advice(ab.solvers.RESULTS.max_seconds_reached)
        ```
    """
    return RESULTS[result]
