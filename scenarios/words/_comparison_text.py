"""The results of a comparison in sentences."""

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

from ...validation import Comparison
from ...validation.comparison import rows_of
from ._screen import general, significant

Records: TypeAlias = list[dict[str, Any]]  # the rows of a comparison

_WITHOUT_SKILL = 0.5  # a policy error above this multiple of the error of the constant policy shows no skill
_LEVEL = 0.05
_ROUNDING = 1e-12


def label_of(row: dict[str, Any]) -> str:
    """The name of a solver with its architecture in figures and sentences."""
    return f"{row['solver']} {row['architecture']}".strip()


def share(error: float) -> str:
    """A relative error for a sentence: in percent, or as a power of ten if it is small."""
    if not math.isfinite(error):
        return "not a number"
    return f"{significant(100.0 * error)} %" if error >= 1e-4 else general(error)


def sentences(comparison: Comparison) -> list[str]:
    """Sentences on the ranking, the budget, the constant policy, the reference, the significance and failures."""
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
        *_failures(table),
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
        return text + "; no other pair could be ranked."
    second, last = good[1], good[-1]
    text += f". Next is {_placed(second, least)}"
    text += f", and last {_placed(last, least)}" if len(good) > 2 else ""
    networks = [row for row in good if row["architecture"]]
    if not best["architecture"] and networks and networks[0] is not second:
        text += f". The best network is {_placed(networks[0], least)}"
    return text + "."


def _placed(row: dict[str, Any], least: float) -> str:
    """A pair with its error, and the ratio of its error to the smallest error."""
    text = f"{label_of(row)} with {share(row['policy_error'])}"
    if least < _ROUNDING:
        return text
    return f"{text}, {_times(row['policy_error'] / least)} the smallest error"


def _times(ratio: float) -> str:
    return "about" if ratio < 1.05 else f"{significant(ratio) if ratio < 1e6 else general(ratio)} times"


def _budget(comparison: Comparison, summary: Records) -> str:
    budget, about = comparison.budget, comparison.about
    if budget.seconds is not None:
        text = f"Every run had {budget.seconds:g} seconds for each regime, without compilation"
    else:
        text = f"Every network was trained for {budget.steps} steps in each regime; solvers without training steps ran to their end"
    counts = [r["parameters"] for r in summary if r["architecture"] and math.isfinite(r["parameters"])]
    if counts:
        low, high = min(counts), max(counts)
        span = f"{low:.0f}" if low == high else f"{low:.0f} to {high:.0f}"
        text += f"; networks have {span} parameters ({budget.parameters} were requested)"
    trials = about["tuning_trials"]
    text += f"; {trials} tuning trials for each architecture are not included" if trials else "; options were not tuned"
    return text + "."


def _constant(table: Records, good: Records) -> str:
    constant = next(row["constant_policy_error"] for row in table if math.isfinite(row["constant_policy_error"]))
    text = f"The best constant policy, which has learnt nothing, has an error of {share(constant)}"
    without_skill = [label_of(row) for row in good if row["policy_error"] > _WITHOUT_SKILL * constant]
    return text + (
        f"; hardly better or worse: {', '.join(without_skill)}."
        if without_skill
        else "; all ranked pairs have at most half of this error."
    )


def _reference(comparison: Comparison, good: Records) -> Sequence[str]:
    target = comparison.target
    text = f"Errors are relative L2 distances on the region of interest to {target.source}"
    if target.solver and any(row["solver"] == target.solver for row in rows_of(comparison.table)):
        text = f"{target.solver} computed the reference and is therefore not ranked. {text}"
    errors = [target.errors[name] for name in target.controls if name in target.errors]
    if not errors:
        return [text + "."]
    worst = max(errors)
    text += f". The policy error of the reference is estimated as {share(worst)}"
    within = [label_of(row) for row in good if row["policy_error"] < worst]
    return [text + (f"; smaller distances have no meaning ({', '.join(within)})." if within else ".")]


def _significance(good: Records) -> Sequence[str]:
    tested = [row for row in good if math.isfinite(row["p_value"])]
    count = max(len(tested), len(good) - 1)
    needed = 1 + math.ceil(
        math.log2(max(count, 1) / _LEVEL)
    )  # so that Holm's least p-value, count / 2^(n-1), is below the level
    if not tested:
        return [f"One seed does not allow a test of significance; give --seeds {needed} or more."] if count else []
    least = count * min(row["least_p"] for row in tested)
    if least > _LEVEL:
        return [
            f"There are too few seeds for a test: the smallest possible p-value is {min(least, 1.0):.2g} (Wilcoxon's signed-rank"
            f" test, paired by seed, with Holm's correction for {count} comparisons). At least {needed} seeds are needed."
        ]
    worse = [label_of(row) for row in tested if row["p_value"] <= _LEVEL]
    undecided = [label_of(row) for row in tested if row["p_value"] > _LEVEL]
    text = "Comparison with the best pair (Wilcoxon's signed-rank test, paired by seed, with Holm's correction, level 5 %): "
    parts = [f"significantly worse: {', '.join(worse)}"] if worse else []
    parts += [f"not significantly different: {', '.join(undecided)}"] if undecided else []
    return [text + "; ".join(parts) + "."]


def _failures(table: Records) -> Sequence[str]:
    failed = [row for row in table if row["failure"]]
    if not failed:
        return []
    names = sorted({label_of(row) for row in failed})
    return [f"{len(failed)} of {len(table)} runs failed ({', '.join(names)}); the reasons are listed below."]
