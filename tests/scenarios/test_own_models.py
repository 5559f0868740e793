"""A model of the user's own is saved and read back as the same model, or refused; reading a file imports nothing."""

import json
import sys
from collections.abc import Callable
from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import abatax as ab
from abatax.models import (
    Ambiguity,
    ClosedFormControl,
    LinearQuadratic,
    StateConstraint,
    TCREClimate,
    TimeAdditive,
    Variable,
    build,
)
from abatax.solvers import FiniteDifference, solution_fingerprint

SOLVER = FiniteDifference(points=21)


class Gap(NamedTuple):
    gap: object


class Effort(NamedTuple):
    effort: object


class Friction(eqx.Module):
    """A block of the user's own."""

    inertia: float = 0.05
    steps: tuple[float, ...] = eqx.field(static=True, default=(1.0, 2.0))


class Thermostat(ClosedFormControl):
    """The regulator of one dimension, with fields of every kind that users write."""

    noise: jax.Array = eqx.field(default_factory=lambda: jnp.array([0.3]))
    counts: np.ndarray = eqx.field(default_factory=lambda: np.array([1, 2]))
    friction: Friction = eqx.field(default_factory=Friction)
    start: Gap = eqx.field(default_factory=lambda: Gap(1.0))
    labels: dict = eqx.field(static=True, default_factory=lambda: {"room": "kitchen", "floors": [1, 2]})
    quick: bool = eqx.field(static=True, default=True)
    preferences: TimeAdditive = eqx.field(default_factory=lambda: TimeAdditive(0.05))
    ambiguity: Ambiguity = eqx.field(default_factory=lambda: Ambiguity.from_penalties(shocks=0.7))

    states = property(lambda self: Gap(Variable("gap", "degC", -3.0, 3.0)))
    controls = property(lambda self: Effort(Variable("effort", "degC/yr", -50.0, 50.0)))

    def drift(self, t, x, u, climate):
        return Gap(self.friction.inertia * x.gap + u.effort)

    def diffusion(self, t, x, u):
        return Gap(self.noise)

    def utility(self, t, x, u):
        return -0.5 * x.gap**2 - 0.5 * u.effort**2

    def best_control(self, t, x, value, costate, hessian):
        return Effort(jnp.clip(costate.gap, -50.0, 50.0))

    def closures(self):
        return Gap((StateConstraint(), StateConstraint()))

    def initial_state(self):
        return Gap(jnp.asarray(self.start.gap))


class Tuned(LinearQuadratic):
    """A subclass that keeps the name of the model it changes."""

    bonus: float = 0.0

    def utility(self, t, x, u):
        return super().utility(t, x, u) + self.bonus


class Made(eqx.Module):
    """A block whose `__init__` takes something else than its fields."""

    half: jax.Array

    def __init__(self, whole):
        self.half = jnp.asarray(0.5 * whole)


class Holder(Thermostat):
    made: Made = eqx.field(default_factory=lambda: Made(3.0))
    name: ClassVar[str] = "holder"


class Shaped(Thermostat):
    shape: Callable = eqx.field(default=jnp.tanh)


@pytest.fixture(scope="module")
def solved():
    return ab.solve(ab.HJBProblem(Thermostat(friction=Friction(0.1))), SOLVER)


def test_a_model_of_ones_own_is_read_back_as_the_same(solved, tmp_path):
    run = ab.save(solved, tmp_path, solver=SOLVER)
    assert run["model_class"] == f"{__name__}:Thermostat"
    for again in (ab.load(tmp_path)[0], ab.load(tmp_path, model=Thermostat)[0]):
        assert type(again.problem.model) is Thermostat and type(again.problem.model.friction) is Friction
        assert eqx.tree_equal(again.problem.model, solved.problem.model, rtol=1e-12)
        assert again.problem.model.labels == solved.problem.model.labels
        assert solution_fingerprint(again) == solution_fingerprint(solved) == run["solution_fingerprint"]
        paths = [ab.simulate(s, years=3, shocks=False).states.gap for s in (again, solved)]
        np.testing.assert_allclose(*paths, atol=1e-10)


@pytest.mark.parametrize("model", [Tuned(bonus=2.0), Holder(), Thermostat(ambiguity=Ambiguity())])
def test_classes_are_told_from_those_of_the_package(model):
    described = json.loads(json.dumps(ab.models.portable_parameters(model)))
    again = build(model.name, described["parameters"], type(model))
    assert described["model_class"] == f"{__name__}:{type(model).__name__}" and eqx.tree_equal(model, again, rtol=1e-12)


def test_a_block_of_ones_own_in_a_model_of_the_package(monkeypatch):
    class Local(TCREClimate):
        pass

    class Warm(TCREClimate):
        pass

    Warm.__qualname__ = "Warm"
    monkeypatch.setattr(sys.modules[__name__], "Warm", Warm, raising=False)
    model = ab.models.AKClimate(climate=Warm(ab.models.Ensemble([1.5e-3, 2.0e-3])))
    described = json.loads(json.dumps(ab.models.portable_parameters(model)))
    assert "model_class" not in described and described["parameters"]["climate"]["type"] == f"{__name__}:Warm"
    assert type(build("ak_climate", described["parameters"]).climate) is Warm
    with pytest.raises(ValueError, match="<locals>.Local` is a class that abatax does not have"):
        ab.models.portable_parameters(ab.models.AKClimate(climate=Local(ab.models.Ensemble([1.5e-3]))))


def test_what_run_json_cannot_hold_is_refused_at_saving(solved, tmp_path):
    import dataclasses

    model = Shaped()
    problem = solved.problem.replace(model=model)
    solution = dataclasses.replace(solved, problem=problem)
    with pytest.raises(ValueError, match=r"`Shaped.shape` is a .*, which run.json cannot hold"):
        ab.save(solution, tmp_path / "never")
    assert not (tmp_path / "never").exists()
    # paths know whose they are all the same
    data = ab.simulate(solution, years=1, shocks=False).to_dataset()
    assert data.attrs["solution_fingerprint"] != solution_fingerprint(solved)


def test_a_local_class_is_given_to_load(solved, tmp_path):
    class Local(Thermostat):
        pass

    import dataclasses

    solution = dataclasses.replace(solved, problem=solved.problem.replace(model=Local()))
    run = ab.save(solution, tmp_path)
    with pytest.raises(
        ValueError, match=r"<locals>.Local` is a class that abatax does not have.*load\(folder, model=MyModel\)"
    ):
        ab.load(tmp_path)
    again, _ = ab.load(tmp_path, model=Local)
    assert type(again.problem.model) is Local and solution_fingerprint(again) == run["solution_fingerprint"]
    with pytest.raises(ValueError, match="`model` is LinearQuadratic"):
        ab.load(tmp_path, model=LinearQuadratic)


def test_reading_a_file_imports_nothing(solved, tmp_path, monkeypatch):
    ab.save(solved, tmp_path)
    monkeypatch.delitem(sys.modules, __name__)
    with pytest.raises(ValueError, match=f"import `{__name__}` before the solution is loaded"):
        ab.load(tmp_path)
    assert __name__ not in sys.modules


def test_code_that_has_changed_is_noticed(solved, tmp_path, monkeypatch):
    ab.save(solved, tmp_path)

    class Changed(Thermostat):
        def utility(self, t, x, u):
            return -0.4 * x.gap**2 - 0.5 * u.effort**2

    Changed.__qualname__, Changed.__name__ = "Thermostat", "Thermostat"
    monkeypatch.setattr(sys.modules[__name__], "Thermostat", Changed)
    with pytest.raises(ValueError, match=f"the code of `{__name__}:Thermostat` has changed since it was solved"):
        ab.load(tmp_path)
