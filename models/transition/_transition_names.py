"""Names, units and bounds of the states, controls and observables of the models with dirty and green capital."""

import collections
import functools as ft

from ..base import Point, Variable
from ..economy import CONSUMPTION, DAMAGES, FLOW

STAGES = ("before", "parity", "mature")
PHASES = (*STAGES, *(f"{stage}_revealed" for stage in STAGES))


@ft.cache
def point_type(*fields: str) -> type:
    """The NamedTuple class with these fields; equal lists of names give the same class, so that pytrees agree."""
    return collections.namedtuple("TransitionPoint", fields)  # pyright: ignore[reportReturnType]


def point(**values: object) -> Point:
    """A NamedTuple of the given values."""
    return point_type(*values)(*values.values())


LOG_CAPITAL = Variable("log of total capital", "log trillion US$", 4.0, 8.0, symbol="k")
LOG_DIRTY_CAPITAL = Variable("log of dirty capital", "log trillion US$", 4.0, 6.5, symbol="q")
LOG_EMITTING_CAPITAL = Variable("log of emitting capital", "log trillion US$", 4.0, 6.5, symbol="epsilon")
LOG_CAPITAL_RATIO = Variable("log of green over dirty capital", "1", -1.5, 4.0, symbol="w")
LOG_KNOWLEDGE = Variable("log of knowledge", "log trillion US$", 1.0, 5.5, symbol="r")
LOG_CARBON_INTENSITY = Variable("log of carbon intensity of dirty output, relative to the start", "1", symbol="z")

OBSERVABLES = {
    "emissions": Variable("carbon emissions", "GtC/yr", iamc="Emissions|CO2"),
    "output": Variable("output", FLOW, iamc="GDP|MER"),
    "investment_flow": Variable("investment in both capitals", FLOW, iamc="Investment"),
    "consumption": CONSUMPTION,
    "damages": DAMAGES,
    "capital": Variable("total capital", "trillion US$", iamc="Capital Stock"),
    "green_share": Variable("share of green capital", "1"),
}
RESEARCH_OBSERVABLES = {
    "research_flow": Variable("research and development", FLOW),
    "knowledge": Variable("knowledge capital", "trillion US$"),
}
INTENSITY_OBSERVABLES = {
    "carbon_intensity": Variable("carbon intensity of dirty output, relative to the start", "1"),
    "abatement_flow": Variable("spending on lower carbon intensity", FLOW),
}
