"""The climate blocks that are public as `abatax.models.NAME`; a block that is exported here is known to `--set` by its name."""

from ._carbon_cycle_climate import CarbonCycleClimate as CarbonCycleClimate
from ._carbon_reservoirs import CarbonReservoirs as CarbonReservoirs
from ._climate import TCREClimate as TCREClimate
from ._fair_climate import FairClimate as FairClimate, FairState as FairState
from ._lagged_climate import LaggedClimate as LaggedClimate
from ._physical_climate import AbstractPhysicalClimate as AbstractPhysicalClimate
from ._temperature_layers import TemperatureLayers as TemperatureLayers
