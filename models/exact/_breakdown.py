"""Whether a linear-quadratic model has a finite value, and the smallest penalty with a finite value."""

import numpy as np

from ..equation import AbstractModel
from ._quadratic_coefficients import quadratic_form
from ._quadratic_form import QuadraticModel


def why_infinite(model: AbstractModel) -> str | None:
    """Why a linear-quadratic model has no finite value, in one line; None if it has one.

    **Raises:** `ValueError` if the model is not linear-quadratic.
    """
    form = quadratic_form(model)
    if form.has_value():
        return None
    least = form.breakdown()
    if not np.any(form.aversion > 0.0) or least == 0.0:
        return (
            f"`{model.name}` has no finite value: a state or a linear term that no control holds back grows faster than it is"
            f" discounted, at a `discount_rate` of {form.discount_rate:g}."
        )
    given, smallest = 1.0 / form.aversion, 1.0 / (form.aversion * least)
    return (
        f"`ambiguity.shocks` is {_listed(given)}, beyond the breakdown of robustness: no finite value exists; the penalty must"
        f" exceed {_listed(smallest)}."
    )


def breakdown_advice(model: AbstractModel) -> str | None:
    """Why a `QuadraticModel` has no finite value, in one line; None for other models and for a finite value."""
    return why_infinite(model) if isinstance(model, QuadraticModel) else None


def _listed(penalties: np.ndarray) -> str:
    numbers = [f"{p:.6g}" for p in penalties]
    return numbers[0] if len(set(numbers)) == 1 else ", ".join(numbers)
