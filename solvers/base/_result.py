import equinox as eqx


class RESULTS(eqx.Enumeration):
    """How a solve ended. The text of each code is what to do next."""

    successful = "The solution converged."
    max_steps_reached = (
        "The maximum number of solver steps was reached before convergence; the last iterate is kept. "
        "Increase `max_steps`, or start from the solution of a nearby problem with `guess`."
    )
    max_seconds_reached = (
        "The seconds allowed were used up before convergence; the last iterate is kept. Raise `max_seconds`, take fewer "
        "points, or start from the solution of a nearby problem with `guess`."
    )
    nonfinite = (
        "A value became infinite or not a number; the last finite iterate is kept. Start from a `guess` with the "
        "right signs, weaken the aversion to ambiguity (raise the penalty), or check the utility at the bounds "
        "of the controls."
    )
    outward_drift = (
        "The optimal drift points out of the box at a face that is a state constraint: this is a spurious root, not the "
        "value function. Enlarge the box, or start from a `guess` with the right signs. If the planner doubts the shocks, the "
        "penalty may be below the breakdown of robustness, where nature wins at every face and no finite value exists: raise it."
    )
    stalled = (
        "The residual could not be reduced further; what is kept is the monotone first-order solution with which the "
        "iteration began. Use more points or features, a lower `order`, or a larger margin at the outflow faces."
    )
    unsettled = (
        "Policy iteration on the monotone first-order scheme came no nearer to a fixed point; the last iterate is kept, and it "
        "is not a solution. Start from a `guess`, use other `points`, weaken the aversion to ambiguity (raise the penalty), or "
        "check that the problem has a finite value."
    )
    oscillating = (
        "The high-order solution oscillates between nodes where the monotone first-order one, which is kept, does not. Use "
        "more points; if that does not help, the problem may have no finite value: weaken the aversion to ambiguity (raise "
        "the penalty)."
    )
    pinned = (
        "Over much of the region of interest a control sits at a bound where it should not: its optimum is declared to be "
        "interior (`interior_controls`), or the Hamiltonian rises away from the bound. This is the mark of a false branch. Start "
        "from a `guess` with the right signs, or widen the control's bounds."
    )
    missed_maximum = (
        "A scan of the controls finer than that of the numerical maximiser finds a higher Hamiltonian: a maximum with a narrow "
        "basin was missed. Raise the model's `scan_fineness`, narrow the bounds of the controls, or give the maximiser in closed "
        "form (`ClosedFormControl`)."
    )
    wrong_sign = (
        "A marginal value has not the sign that the model declares over much of the region of interest: this is a false "
        "branch. Start from a `guess` with the right signs."
    )
    undetermined = (
        "Noise or drift carries the state over a face, and what happens outside decides the solution inside. Enlarge the box or "
        "the extension of the face, or close it with a known `Growth`; discount more if utility may grow without bound."
    )
    infinite_value = (
        "No finite value: utility along the optimal path grows faster than it is discounted, or has the other sign than its "
        "discounted sum. Discount more, bound the growth of utility or of the states, or, if growth ends farther out, enlarge the "
        "box; if the value is known to be finite, start from a `guess` with the right signs."
    )
    open_face = (
        "What closes a face that the model leaves open decides the solution inside: neither a larger box nor another closure of "
        "the face leaves it as it is. Say in `closures` what holds there: `StateConstraint()` if the state cannot go beyond, "
        '`Growth` where the slope of the value is known. `stats["faces"]` names the face.'
    )
    no_descent = (
        "No step along the path improves it any further, but the optimality conditions do not hold yet; the last path is kept. "
        "Start from another `guess`, closer to full abatement, or widen the bounds if no path meets the limits."
    )
    unresolved = (
        "The grid or the basis is too coarse for the solution: the equation does not hold between the nodes, and what is left "
        "allows a relative error of the value above 1e-3. Use more points or features; for a kink use finite differences, which "
        "need less smoothness."
    )
    extrapolated = (
        "From the region of interest jumps land beyond the box, where the value is extrapolated, and that decides the solution "
        "inside. Give the closures an `extension` as wide as the jumps, enlarge the box, or close the face with a known `Growth`."
    )
    untrained = (
        "The equation does not hold between the points on which the networks were trained. Train longer (more `steps`, more "
        "`patience`), use more `points` or `parameters`, let the networks correct a grid (`coarse`), or use finite differences."
    )


def result_name(result: RESULTS) -> str:
    """The name of a result code, as stored in files."""
    return next(name for name, item in RESULTS._name_to_item.items() if bool(result == item))  # pyright: ignore[reportAttributeAccessIssue]


def result_advice(result: RESULTS) -> str:
    """The advice of a result code."""
    return RESULTS[result]
