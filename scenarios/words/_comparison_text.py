"""What a comparison found, in plain words."""

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

from ...validation import Comparison
from ...validation.comparison import rows_of
from ._screen import general, significant

Records: TypeAlias = list[dict[str, Any]]  # the rows of a comparison

_NOTHING = 0.5  # a policy error above this share of the constant policy's is no skill worth the name
_LEVEL = 0.05
_ROUNDING = 1e-12


def label_of(row: dict[str, Any]) -> str:
    """A solver with its architecture, as figures and sentences call it."""
    return f"{row['solver']} {row['architecture']}".strip()


def share(error: float) -> str:
    """A relative error for a sentence: in percent, or as a power of ten where it is small."""
    if not math.isfinite(error):
        return "no number"
    return f"{significant(100.0 * error)} %" if error >= 1e-4 else general(error)


def sentences(comparison: Comparison) -> list[str]:
    """Who won and by how much, what a constant policy scores, whether seeds decide it, what failed."""
    table, summary = rows_of(comparison.table), rows_of(comparison.summary)
    good = [row for row in summary if row["rank"]]
    if not good:
        return ["No run ended with a finite policy error; see the reasons below."]
    return [
        _winner(good),
        _budget(comparison, summary),
        _constant(table, good),
        *_reference(comparison, good),
        *_significance(good),
        *_unhappy(table),
    ]


def _winner(good: Records) -> str:
    best = good[0]
    least = best["policy_error"]
    seeds = f" (median of {best['runs'] - best['failed']} seeds)" if best["architecture"] else ""
    if least < _ROUNDING:
        text = f"{label_of(best)} is exact to rounding: its policy error is {share(least)}{seeds}"
    else:
        text = f"{label_of(best)} has the smallest policy error: {share(least)}{seeds}"
    if len(good) == 1:
        return text + "; nothing else could be ranked."
    second, last = good[1], good[-1]
    text += f". Next is {_placed(second, least)}"
    text += f", and last {_placed(last, least)}" if len(good) > 2 else ""
    networks = [row for row in good if row["architecture"]]
    if not best["architecture"] and networks and networks[0] is not second:
        text += f". The best network is {_placed(networks[0], least)}"
    return text + "."


def _placed(row: dict[str, Any], least: float) -> str:
    """A pair that did not win, with its error and how much more than the least that is."""
    text = f"{label_of(row)} with {share(row['policy_error'])}"
    if least < _ROUNDING:
        return text
    return f"{text}, {_times(row['policy_error'] / least)} as much"


def _times(ratio: float) -> str:
    return "practically" if ratio < 1.05 else f"{significant(ratio) if ratio < 1e6 else general(ratio)} times"


def _budget(comparison: Comparison, summary: Records) -> str:
    budget, about = comparison.budget, comparison.about
    if budget.seconds is not None:
        text = f"Every run had {budget.seconds:g} seconds for each regime, compilation apart"
    else:
        text = f"Every network was trained for {budget.steps} steps in each regime; solvers without steps of training ran to their end"
    counts = [r["parameters"] for r in summary if r["architecture"] and math.isfinite(r["parameters"])]
    if counts:
        low, high = min(counts), max(counts)
        span = f"{low:.0f}" if low == high else f"{low:.0f} to {high:.0f}"
        text += f"; networks have {span} parameters ({budget.parameters} were asked for)"
    tuned = about["tuning_trials"]
    text += f"; {tuned} trials of tuning for each architecture come on top" if tuned else "; nothing was tuned"
    return text + "."


def _constant(table: Records, good: Records) -> str:
    constant = next(row["constant_policy_error"] for row in table if math.isfinite(row["constant_policy_error"]))
    text = f"The best constant policy, which has learnt nothing, scores {share(constant)}"
    without = [label_of(row) for row in good if row["policy_error"] > _NOTHING * constant]
    return text + (
        f"; little better or worse: {', '.join(without)}."
        if without
        else "; everything ranked is at least twice as good."
    )


def _reference(comparison: Comparison, good: Records) -> Sequence[str]:
    target = comparison.target
    text = f"Errors are relative L2 distances on the region of interest to {target.source}"
    if target.solver and any(row["solver"] == target.solver for row in rows_of(comparison.table)):
        text = f"{target.solver} made the reference, so it is not ranked. {text}"
    own = [target.errors[name] for name in target.controls if name in target.errors]
    if not own:
        return [text + "."]
    worst = max(own)
    text += f", whose own policy error is estimated as {share(worst)}"
    within = [label_of(row) for row in good if row["policy_error"] < worst]
    return [text + (f"; smaller distances mean nothing ({', '.join(within)})." if within else ".")]


def _significance(good: Records) -> Sequence[str]:
    tested = [row for row in good if math.isfinite(row["p_value"])]
    count = max(len(tested), len(good) - 1)
    needed = 1 + math.ceil(
        math.log2(max(count, 1) / _LEVEL)
    )  # so that Holm's least p-value, count / 2^(n-1), is below the level
    if not tested:
        return [f"With one seed nothing can be said of chance; give --seeds {needed} or more."] if count else []
    least = count * min(row["least_p"] for row in tested)
    if least > _LEVEL:
        return [
            f"There are too few seeds for a test: even the clearest difference has p = {min(least, 1.0):.2g} (Wilcoxon's signed"
            f" ranks, paired by seed, corrected by Holm's method for {count} comparisons). At least {needed} are needed."
        ]
    sure = [label_of(row) for row in tested if row["p_value"] <= _LEVEL]
    unsure = [label_of(row) for row in tested if row["p_value"] > _LEVEL]
    text = "Against the best, paired by seed (Wilcoxon's signed ranks, corrected by Holm's method, level 5 %): "
    parts = [f"worse beyond chance: {', '.join(sure)}"] if sure else []
    parts += [f"not told apart: {', '.join(unsure)}"] if unsure else []
    return [text + "; ".join(parts) + "."]


def _unhappy(table: Records) -> Sequence[str]:
    failed = [row for row in table if row["failure"]]
    if not failed:
        return []
    names = sorted({label_of(row) for row in failed})
    return [f"{len(failed)} of {len(table)} runs failed ({', '.join(names)}); the reasons are listed below."]
