"""Climate blocks: from emissions to temperature, with the states that each block adds."""

from ._carbon_cycle_climate import CarbonCycle as CarbonCycle
from ._carbon_reservoirs import TONNES_CO2_PER_TONNE_CARBON as TONNES_CO2_PER_TONNE_CARBON
from ._climate import TEMPERATURE as TEMPERATURE, Temperature as Temperature
from ._lagged_climate import TemperatureAndRate as TemperatureAndRate
from .blocks import *  # noqa: F403
