from typing import NamedTuple


class Variable(NamedTuple):
    """What a state, control or observable is called and measured in.

    **Arguments:**

    - `name`: the name in words, for axes and tables.
    - `unit`: the unit in which the model computes.
    - `low`, `high`: for a state the region of interest, for a control its bounds.
    - `iamc`: the IAMC variable it is exported as; empty if it has none.
    - `symbol`: the symbol used in the paper.

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
