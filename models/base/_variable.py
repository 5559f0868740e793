from typing import NamedTuple


class Variable(NamedTuple):
    """Name, unit and bounds of a state, control or observable.

    **Arguments:**

    - `name`: the full name, for axes and tables.
    - `unit`: the unit in the model.
    - `low`, `high`: for a state the region of interest, for a control its bounds.
    - `iamc`: the IAMC variable for the export; empty if there is none.
    - `symbol`: the symbol in the paper.

    !!! example

        ```python
        import abatax as ab

        warming = ab.models.Variable("temperature anomaly", "degC", 0.0, 3.0)
        assert warming.unit == "degC"
        ```
    """

    name: str
    unit: str
    low: float = -float("inf")
    high: float = float("inf")
    iamc: str = ""
    symbol: str = ""
