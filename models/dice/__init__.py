"""The DICE family: DICE-2016R in discrete and in continuous time, and DICE-2023."""

from ._dice2016 import Dice2016 as Dice2016
from ._dice2016_continuous import Dice2016Continuous as Dice2016Continuous
from ._dice2023 import Dice2023 as Dice2023
from ._dice2023_scenarios import DICE2023_SCENARIOS as DICE2023_SCENARIOS
from ._dice_economy import DiceEconomy as DiceEconomy, DiceGrowth as DiceGrowth
from ._dice_names import Policy as Policy
