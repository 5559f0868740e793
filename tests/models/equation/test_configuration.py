"""Models as plain data: round trips, dotted settings, units, and errors that name the field."""

import dataclasses
import json
import re
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import DISTRUST, distrusting, small_model, tree_allclose

from abatax import HJBProblem
from abatax.models import (
    BLOCKS,
    MODELS,
    AbstractModel,
    AKClimate,
    AKEconomy,
    DamageJump,
    Ensemble,
    EpsteinZin,
    KnowledgeCapital,
    LinearQuadratic,
    Productivity,
    TCREClimate,
    ThresholdDamages,
    TimeAdditive,
    UncertainDamages,
    Variable,
    build,
    configure,
    default_model,
    measured_in,
    model_class,
    nearest,
    parameter_units,
    parameters_of,
)

# A penalty is the reciprocal of the stored aversion: a round trip costs two roundings.
RECIPROCAL = 4 * np.finfo(float).eps


# -- round trips ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, averse",
    [
        (name, averse)
        for name in MODELS
        for averse in (False, True)
        if not averse or issubclass(MODELS[name], AbstractModel)
    ],
)
def test_round_trip_of_the_defaults(name, averse):
    assert not averse or name in DISTRUST, f"list penalties for {name} in helpers.py"
    model = small_model(name, distrusting(name)) if averse else MODELS[name]()
    plain = parameters_of(model)
    again = build(name, json.loads(json.dumps(plain, allow_nan=False)))  # as run.json stores it
    assert tree_allclose(again, model, rtol=RECIPROCAL)
    assert parameters_of(again).keys() == plain.keys()


@pytest.mark.parametrize("name", MODELS)
def test_no_settings_are_the_defaults(name):
    assert tree_allclose(configure(name, {}), MODELS[name](), rtol=RECIPROCAL)


def test_round_trip_of_optional_parts():
    for model in (
        AKClimate(productivity=None),
        AKClimate(productivity=Productivity(cost=0.3)),
        UncertainDamages(phase="after_damage"),
        UncertainDamages(damage_jump=DamageJump(jnp.array([0.0, 0.1]), jnp.array([0.25, 0.75]))),
        LinearQuadratic(dimension=3),
        KnowledgeCapital(preferences=EpsteinZin(0.02, 1.5, 3.0)),
    ):
        again = build(model.name, json.loads(json.dumps(parameters_of(model), allow_nan=False)))
        assert tree_allclose(again, model, rtol=RECIPROCAL)


def get(model, dotted):
    for part in dotted.split("."):
        model = getattr(model, part)
    return np.asarray(model)


@pytest.mark.parametrize(
    "name, field, typed, value",
    [
        ("uncertain_damages", "ambiguity.climate", "0.01", 100.0),
        ("uncertain_damages", "ambiguity.shocks", 4, 0.25),
        ("uncertain_damages", "ambiguity.jumps", "inf", 0.0),
        ("uncertain_damages", "ambiguity.shocks", float("inf"), 0.0),
        ("uncertain_damages", "ambiguity.shocks", "2,0.5", [0.5, 2.0]),
        ("uncertain_damages", "ambiguity.shocks", "inf,0.5", [0.0, 2.0]),
        ("uncertain_damages", "ambiguity.shocks", [2.0, 0.5], [0.5, 2.0]),
        ("uncertain_damages", "emissions_share", "0.05", 0.05),
        ("uncertain_damages", "emissions_share", "5e-2", 0.05),
        ("uncertain_damages", "preferences.discount_rate", 0.02, 0.02),
        ("uncertain_damages", "climate.initial_temperature", "1.3", 1.3),
        ("uncertain_damages", "damage_jump.curvatures", "0,0.1,0.2", [0.0, 0.1, 0.2]),
        ("uncertain_damages", "damage_jump.curvatures", 0.1, [0.1]),
        ("uncertain_damages", "damages.quadratic", 0, 0.0),
        ("ak_climate", "productivity.cost", "0.3", 0.3),
        ("ak_climate", "economy.growth", "-0.05", -0.05),
        ("linear_quadratic", "dimension", "2", 2),
        ("linear_quadratic", "volatility", 0, 0.0),
    ],
)
def test_setting_a_field(name, field, typed, value):
    np.testing.assert_allclose(get(configure(name, {field: typed}), field), value, rtol=RECIPROCAL)


@pytest.mark.parametrize("probabilities", ["0.25,0.75", [0.25, 0.75], [1, 3]])
def test_setting_an_optional_list(probabilities):
    settings = {"damage_jump.curvatures": "0,0.1", "damage_jump.probabilities": probabilities}
    np.testing.assert_allclose(configure("uncertain_damages", settings).damage_jump.prior, [0.25, 0.75], rtol=1e-15)


def test_an_optional_block_can_be_left_out():
    for none in ("none", "None"):
        model = configure("ak_climate", {"productivity": none})
        assert model.productivity is None
        assert model.states._fields == ("log_capital", "temperature")


def test_an_optional_list_can_be_left_out():
    # a part that is absent by default can be set to none explicitly
    model = configure("uncertain_damages", {"damage_jump.probabilities": "none"})
    assert model.damage_jump.probabilities is None


def test_phase_is_a_word():
    assert configure("uncertain_damages", {"phase": "after_damage"}).regime == "after_damage"


def test_settings_are_applied_together():
    model = configure(
        "uncertain_damages", {"ambiguity.shocks": 1, "ambiguity.jumps": 2, "climate.ensemble": "assessed"}
    )
    assert (float(model.ambiguity.shocks), float(model.ambiguity.jumps)) == (1.0, 0.5)
    assert float(model.ambiguity.climate) == 0.0
    np.testing.assert_allclose(model.climate.ensemble.values, Ensemble.assessed().values, rtol=1e-15)


@pytest.mark.parametrize("given", ["published", "file", [1.5e-3, 2.0e-3]])
def test_ensembles_by_name_file_or_members(tmp_path, given):
    path = tmp_path / "mine.csv"
    path.write_text("slope [degC/TtC],weight\n1.5,1\n2.0,3\n")
    expected = {
        "published": Ensemble.published(),
        "file": Ensemble([1.5e-3, 2.0e-3], [0.25, 0.75]),
    }.get(str(given), Ensemble([1.5e-3, 2.0e-3]))
    found = configure("uncertain_damages", {"climate.ensemble": str(path) if given == "file" else given})
    np.testing.assert_allclose(found.climate.ensemble.values, expected.values, rtol=1e-15)
    np.testing.assert_allclose(found.climate.ensemble.weights, expected.weights, rtol=1e-15)


def test_models_under_a_transformation_are_not_checked():
    # parameters are differentiable: a check of values must let tracers through
    def mean_drift(rate, penalty):
        model = UncertainDamages(
            preferences=TimeAdditive(rate), ambiguity=type(UncertainDamages().ambiguity)(shocks=1.0 / penalty)
        )
        return model.additive_costates().log_capital * model.ambiguity.shocks

    slope = jax.jit(jax.grad(mean_drift, argnums=(0, 1)))(jnp.array(0.01), jnp.array(2.0))
    np.testing.assert_allclose(slope, [-0.968 / 1e-4 / 2.0, -96.8 / 4.0], rtol=1e-12)


# -- wrong input --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, settings, words",
    [
        ("uncertain_damages", {"ambiguty.shocks": 1}, "unknown field `ambiguty.shocks`: did you mean `ambiguity`?"),
        ("uncertain_damages", {"ambiguity.shock": 1}, "unknown field `ambiguity.shock`: did you mean `shocks`?"),
        ("uncertain_damages", {"zzz": 1}, "unknown field `zzz`: Known: preferences, emissions_share"),
        ("uncertain_damages", {"climate.type": "x"}, "unknown field `climate.type`: "),
        ("uncertain_damages", {"emissions_share.x": 1}, "`emissions_share` has no fields of its own"),
        ("uncertain_damages", {"climate.ensemble.values.x": 1}, "`climate.ensemble.values` has no fields of its own"),
        ("uncertain_damages", {"emissions_share": "much"}, "`emissions_share` is 'much'; it must be a number"),
        ("uncertain_damages", {"emissions_share": ""}, "`emissions_share` is ''; it must be a number"),
        ("uncertain_damages", {"emissions_share": "nan"}, "`emissions_share` is 'nan'; it must be a number"),
        (
            "uncertain_damages",
            {"emissions_share": None},
            "`emissions_share` is none; `uncertain_damages` cannot do without it",
        ),
        ("uncertain_damages", {"emissions_share": -0.1}, "`emissions_share` is "),
        ("uncertain_damages", {"emissions_share": "inf"}, "`emissions_share` is "),
        ("uncertain_damages", {"ambiguity.shocks": -1}, "`ambiguity.shocks` is -1.0; a penalty must be > 0"),
        ("uncertain_damages", {"ambiguity.climate": "0"}, "`ambiguity.climate` is 0.0; a penalty must be > 0"),
        ("uncertain_damages", {"ambiguity.jumps": "nan"}, "`ambiguity.jumps` is 'nan'; it must be a number"),
        ("uncertain_damages", {"ambiguity": 1}, "set one of its fields: ambiguity.shocks, ambiguity.climate"),
        ("uncertain_damages", {"preferences.discount_rate": 0}, "`discount_rate` is "),
        ("uncertain_damages", {"phase": "later"}, "`phase` is 'later'; use before_damage or after_damage"),
        (
            "uncertain_damages",
            {"damage_jump.curvatures": "0,x"},
            "`damage_jump.curvatures` is 'x'; it must be a number",
        ),
        ("uncertain_damages", {"damage_jump.curvatures": "-1,0"}, "`damage_jump.curvatures` is "),
        ("uncertain_damages", {"damage_jump.probabilities": "1,2"}, "must match the curvatures, (20,)"),
        (
            "uncertain_damages",
            {"climate.ensemble": "absent.csv"},
            "`climate.ensemble`: ensemble file absent.csv cannot",
        ),
        ("uncertain_damages", {"climate": "none"}, "`climate`"),
        (
            "ak_climate",
            {"productivity": 1},
            "`productivity` is a block, not 1; name another block, or set one of its fields",
        ),
        ("ak_climate", {"productivity.reversion": 0}, "`productivity.reversion` is "),
        ("linear_quadratic", {"dimension": 1.5}, "`dimension` is 1.5; it must be a whole number"),
        ("linear_quadratic", {"dimension": 0}, "`dimension` is 0; it must be at least 1"),
        ("linear_quadratic", {"dimension": "two"}, "`dimension` is 'two'; it must be a number"),
        ("linear_quadratic", {"volatility": "0.1,0.2"}, "`volatility`"),
        ("linear_quadratc", {}, "unknown model `linear_quadratc`: did you mean `linear_quadratic`?"),
    ],
)
def test_wrong_settings_are_named(name, settings, words):
    with pytest.raises(ValueError) as caught:
        configure(name, settings)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_build_names_unknown_fields_and_kinds():
    plain = parameters_of(LinearQuadratic())
    with pytest.raises(ValueError, match=r"unknown field `linear_quadratic\.volatilty`: did you mean `volatility`\?"):
        build("linear_quadratic", plain | {"volatilty": 1.0})
    with pytest.raises(ValueError, match=r"`linear_quadratic\.preferences\.type` is 'TimeAditive': did you mean"):
        build("linear_quadratic", plain | {"preferences": {"type": "TimeAditive"}})


def test_nearest_lists_what_is_known():
    assert nearest("emisions", ["capital", "emissions"]) == "did you mean `emissions`? Known: capital, emissions."
    assert nearest("xyz", ["capital", "emissions"]) == "Known: capital, emissions."


def test_model_class_by_name():
    assert all(model_class(name) is cls and cls.name == name for name, cls in MODELS.items())


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: LinearQuadratic(dimension=-1), "`dimension` is -1"),
        (lambda: LinearQuadratic(control_cost=0.0), "`control_cost` is "),
        (lambda: LinearQuadratic(state_cost=-1.0), "`state_cost` is "),
        (lambda: LinearQuadratic(volatility=-0.1), "`volatility` is "),
        (lambda: LinearQuadratic(volatility=float("nan")), "`volatility` is "),
        (lambda: TimeAdditive(0.0), "`discount_rate` is "),
        (lambda: TimeAdditive(float("inf")), "`discount_rate` is "),
        (lambda: EpsteinZin(-0.01), "`discount_rate` is "),
        (lambda: AKEconomy(productivity=0.0), "`economy.productivity` is "),
        (lambda: AKEconomy(adjustment_cost=-1.0), "`economy.adjustment_cost` is "),
        (lambda: AKEconomy(initial_capital=0.0), "`economy.initial_capital` is "),
        (lambda: ThresholdDamages(quadratic=-1.0), "`damages.quadratic` is "),
        (lambda: ThresholdDamages(curvature=-1.0), "`damages.curvature` is "),
        (lambda: DamageJump([-0.1]), "`damage_jump.curvatures` is "),
        (lambda: DamageJump(rate=-1.0), "`damage_jump.rate` is "),
        (lambda: DamageJump(steepness=-1.0), "`damage_jump.steepness` is "),
        (lambda: DamageJump(jnp.array([0.0, 0.1]), jnp.array([1.5, -0.5])), "`damage_jump.probabilities` is "),
        (lambda: DamageJump(jnp.array([0.0, 0.1]), jnp.zeros(2)), "`damage_jump.probabilities`"),
        (lambda: DamageJump(jnp.array([0.0, 0.1]), jnp.ones(1)), "`damage_jump.probabilities` has shape (1,)"),
        (lambda: TCREClimate(relative_volatility=-1.0), "`climate.relative_volatility` is "),
        (lambda: Productivity(reversion=0.0), "`productivity.reversion` is "),
        (lambda: Productivity(volatility=-1.0), "`productivity.volatility` is "),
        (lambda: AKClimate(emissions_share=0.0), "`emissions_share` is "),
        (lambda: UncertainDamages(emissions_share=-1.0), "`emissions_share` is "),
        (lambda: UncertainDamages(emissions_share=1.5), "`emissions_share` is "),
        (lambda: AKClimate(emissions_share=1.0), "`emissions_share` is "),
        (lambda: UncertainDamages(phase="x"), "`phase` is 'x'"),
    ],
)
def test_parameters_out_of_range_are_named(make, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        make()


# -- variables and blocks ---------------------------------------------------------------------------------------------


def test_variables_describe_every_state_and_control():
    for cls in MODELS.values():
        model = cls()
        additive = (model.additive,) if isinstance(model, AbstractModel) else ()
        for group in (model.states, model.controls, *additive):
            assert all(isinstance(v, Variable) and v.name and v.unit for v in group)


def test_one_aversion_per_shock():
    # uncertain_damages has two shocks, capital's and temperature's: one number for all of them, or two
    with pytest.raises(ValueError, match=r"`ambiguity\.shocks`"):
        HJBProblem(configure("uncertain_damages", {"ambiguity.shocks": "1,2,3"}))


@pytest.mark.parametrize(
    "settings, states",
    [
        ({"climate": "LaggedClimate"}, ("temperature", "warming_rate")),
        ({"climate.exogenous_forcing": 0.3, "climate": "CarbonCycleClimate"}, ("carbon_deep", "temperature")),
        ({"technology.parity": "none", "technology": "KnowledgeHazard"}, ("temperature", "log_knowledge")),
        ({"damage_jump": "none"}, ("temperature",)),
    ],
)
def test_a_block_is_replaced_by_its_name(settings, states):
    model = configure("net_zero", settings)
    assert set(states) <= set(model.states._fields)
    assert float(getattr(model.climate, "exogenous_forcing", 0.3)) == settings.get("climate.exogenous_forcing", 0.3)
    again = configure("net_zero", {})
    assert model.states._fields != again.states._fields or len(model.jumps()) != len(again.jumps())


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"climate": "AKEconomy"}, "`climate` is AKEconomy, which does not respond to carbon emissions in GtC/yr"),
        ({"economy": "AKEconomy"}, "`net_zero.economy` is AKEconomy; use one of TwoCapitals"),
        ({"climate": "Ensemble"}, "`climate` is Ensemble, which has no default values"),
        ({"climate": "hot"}, "`climate` is a block, not 'hot'; name another block, or set one of its fields"),
        ({"technology": "none", "technology.rate": 0.1}, "`technology` has no fields of its own"),
        ({"economy.green.initial_capital": "none"}, "cannot do without it"),
    ],
)
def test_a_block_that_does_not_fit_is_refused(settings, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        configure("net_zero", settings)


@pytest.mark.parametrize(
    "name, settings, field, value",
    [
        ("uncertain_damages", {"damage_jump.highest_rate": "0.5"}, "damage_jump.highest_rate", 0.5),
        ("uncertain_damages", {"damage_jump.highest_rate": 2}, "damage_jump.highest_rate", 2.0),
        ("net_zero", {"technology.parity": "0.13"}, "technology.parity", 0.13),
        ("multi_region", {"weights": "1,3"}, "weights", [1.0, 3.0]),
        ("multi_region", {"regions": 1, "vulnerability": "2"}, "vulnerability", [2.0]),
    ],
)
def test_a_field_that_is_none_accepts_values_of_its_type(name, settings, field, value):
    found = get(configure(name, settings), field)
    np.testing.assert_array_equal(found, value)
    assert found.shape == np.shape(value)  # one number is not a list of one number


def test_a_block_that_is_none_accepts_the_name_of_a_block():
    assert float(configure("ak_climate", {"cycle": "Productivity", "cycle.cost": 0.1}).cycle.cost) == 0.1


@pytest.mark.parametrize(
    "name, settings, words",
    [
        ("uncertain_damages", {"damage_jump.highest_rate": "0.5,1"}, "`damage_jump.highest_rate` is 0.5,1; it must be"),
        ("ak_climate", {"cycle": 0.5}, "`cycle` is 0.5; name a block: Productivity, or none"),
        ("linear_quadratic", {"feedback": True}, "`feedback` is True; it must be a number"),
        ("linear_quadratic", {"dimension": "inf"}, "`dimension` is inf; it must be a whole number"),
        ("linear_quadratic", {"dimension": 1000}, "`dimension` is 1000; it must be at most 100"),
        ("multi_region", {"regions": "1000"}, "`regions` is 1000; it must be at most 100"),
        ("multi_region", {"rotation": "inf"}, "`rotation` is 'inf'; it must be true or false"),
        ("multi_region", {"rotation": 1000}, "`rotation` is 1000; it must be true or false"),
        ("uncertain_damages", {"phase": "nan"}, "`phase` is 'nan'; use before_damage or after_damage"),
        ("uncertain_damages", {"phase": 3}, "`phase` is 3; it must be a word"),
        ("linear_quadratic", {"a" * 10**6: 1}, "unknown field"),
    ],
)
def test_values_of_another_kind_are_named(name, settings, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        configure(name, settings)


@pytest.mark.parametrize(
    "field, value", [("dimension", "two"), ("feedback", "abc"), ("feedback", True), ("preferences", 3)]
)
def test_parameters_of_another_kind_are_not_built(field, value):
    with pytest.raises(ValueError, match=f"`linear_quadratic.{field}` is"):
        build("linear_quadratic", parameters_of(LinearQuadratic()) | {field: value})


# -- names and units ------------------------------------------------------------------------------------------

# The fields that `--set` takes and run.json lists, with their units ("" for pure numbers): a change here is a change of the format.
FIELDS = json.loads((Path(__file__).parent / "parameter_units.json").read_text())


def dotted_names(tree, prefix=""):
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from dotted_names(value, f"{prefix}{name}.")
        else:
            yield prefix + name


def test_every_model_and_block_has_its_name():
    assert list(MODELS) == list(FIELDS["models"])
    assert set(BLOCKS) == set(FIELDS["blocks"])


@pytest.mark.parametrize("name", MODELS)
def test_names_and_units_of_the_fields_of_a_model(name):
    model = default_model(name)
    units = parameter_units(model)
    assert {field: units.get(field, "") for field in dotted_names(parameters_of(model))} == FIELDS["models"][name]


@pytest.mark.parametrize("name", BLOCKS)
def test_units_of_the_fields_of_a_block(name):
    units = {field.name: field.metadata.get("unit", "") for field in dataclasses.fields(BLOCKS[name])}
    assert units == FIELDS["blocks"][name]


class Mine(UncertainDamages):
    half_life: jax.Array = eqx.field(default=3.0, converter=jnp.asarray, metadata=measured_in("yr"))
    fudge: jax.Array = eqx.field(default=1.0, converter=jnp.asarray)


def test_fields_of_a_users_model_have_the_units_that_they_declare():
    inherited = parameter_units(UncertainDamages())
    assert parameter_units(Mine()) == inherited | {"half_life": "yr"}
