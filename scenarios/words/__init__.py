"""Numbers in words: rounding, units on screen, headlines, and the results of a comparison."""

from ._comparison_text import Records as Records, label_of as label_of, sentences as sentences, share as share
from ._headlines import (
    Headline as Headline,
    Rows as Rows,
    headlines as headlines,
    net_zero_year as net_zero_year,
    numerical_error as numerical_error,
    plausibility as plausibility,
    stance as stance,
)
from ._screen import (
    at_year as at_year,
    fixed as fixed,
    general as general,
    on_screen as on_screen,
    percent as percent,
    screen_unit as screen_unit,
    significant as significant,
    warming_unit as warming_unit,
)
