"""Observables that several models report with the same name and unit."""

from ..base import Variable

FLOW = "trillion US$/yr"

OUTPUT = Variable("output before damages", FLOW, iamc="GDP|MER")
INVESTMENT = Variable("investment", FLOW, iamc="Investment")
CONSUMPTION = Variable("consumption before damages", FLOW, iamc="Consumption")
DAMAGES = Variable("consumption lost to damages", FLOW, iamc="Damage Cost")
CAPITAL = Variable("capital", "trillion US$", iamc="Capital Stock")
