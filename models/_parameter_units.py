"""Units of parameters, by their names."""

from typing import Any

from ._configuration import portable_parameters

# By name of the field, in whatever block it stands; fields that are not listed are pure numbers.
_UNITS = {
    "adjustment": "1/yr",
    "adjustment_cost": "yr",
    "adjustment_curvature": "yr",
    "adjustment_scale": "1/yr",
    "arrival_scale": "trillion US$ yr",
    "backstop": "US$/tCO2",
    "capital_volatility": "yr^-1/2",
    "carbon_intensity": "GtC/trillion US$",
    "curvature": "1/degC^2",
    "curvatures": "1/degC^2",
    "delays": "yr",
    "depreciation": "1/yr",
    "discount_rate": "1/yr",
    "doubling_forcing": "W/m2",
    "equilibrium": "GtC",
    "exchange": "W/m2/degC",
    "exogenous_emissions": "GtC/yr",
    "exogenous_forcing": "W/m2",
    "feedback": "1/yr",
    "first_forcing": "W/m2",
    "fixed_forcing": "W/m2",
    "growth": "1/yr",
    "initial_capital": "trillion US$",
    "initial_carbon": "GtC",
    "initial_cumulative": "GtC",
    "initial_emissions": "GtCO2/yr",
    "initial_knowledge": "trillion US$",
    "initial_output": "trillion US$/yr",
    "initial_population": "million",
    "initial_rate": "degC/yr",
    "initial_reserves": "GtC",
    "initial_temperature": "degC",
    "initial_total": "GtC",
    "initial_warming": "degC",
    "intensity_decline": "1/yr",
    "intensity_growth": "1/yr",
    "intensity_limit": "1/yr",
    "land_emissions": "GtCO2/yr",
    "last_forcing": "W/m2",
    "lifetimes": "yr",
    "linear": "1/degC",
    "mean": "degC/GtC",
    "onset": "degC",
    "other_emissions": "GtCO2e/yr",
    "other_forcing": "W/m2",
    "other_response": "W/m2 yr/GtCO2e",
    "population_limit": "million",
    "preindustrial_carbon": "GtC",
    "productivity": "1/yr",
    "productivity_decline": "1/yr",
    "quadratic": "1/degC^2",
    "rate": "1/yr",
    "relative_volatility": "yr^-1/2",
    "response": "degC m2/W",
    "responses": "degC m2/W",
    "reversion": "1/yr",
    "risk_premium": "1/yr",
    "sensitivity": "degC",
    "standard_deviation": "degC/GtC",
    "steepness": "1/degC^2",
    "temperature_volatility": "degC yr^-1/2",
    "threshold": "degC",
    "time_preference": "1/yr",
    "uptake_base": "yr",
    "uptake_carbon": "yr/GtC",
    "uptake_warming": "yr/degC",
    "values": "degC/GtC",
    "volatility": "yr^-1/2",
}


def parameter_units(model: Any) -> dict[str, str]:
    """The unit of every parameter that has one, by dotted name."""
    found: dict[str, str] = {}

    def walk(tree: dict[str, Any], prefix: str) -> None:
        for key, value in tree.items():
            if isinstance(value, dict):
                walk(value, f"{prefix}{key}.")
            elif key in _UNITS:
                found[prefix + key] = _UNITS[key]

    walk(portable_parameters(model)["parameters"], "")
    return found
