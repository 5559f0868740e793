"""Climate blocks: from emissions to temperature, with the states that each block adds."""

from ._carbon_cycle_climate import CarbonCycle as CarbonCycle, CarbonCycleClimate as CarbonCycleClimate
from ._carbon_reservoirs import (
    TONNES_CO2_PER_TONNE_CARBON as TONNES_CO2_PER_TONNE_CARBON,
    CarbonReservoirs as CarbonReservoirs,
)
from ._climate import TEMPERATURE as TEMPERATURE, TCREClimate as TCREClimate
from ._fair_climate import FairClimate as FairClimate, FairState as FairState
from ._lagged_climate import LaggedClimate as LaggedClimate, TemperatureAndRate as TemperatureAndRate
from ._physical_climate import AbstractPhysicalClimate as AbstractPhysicalClimate
from ._temperature_layers import TemperatureLayers as TemperatureLayers
