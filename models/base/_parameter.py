from typing import Any

import jax.numpy as jnp
from jaxtyping import Array


def parameter(value: Any) -> Array:
    """Turn a number or a list of numbers into a float64 parameter: differentiable, vmappable."""
    return jnp.asarray(value, dtype=jnp.float64)


def optional_parameter(value: Any) -> Array | None:
    """The same for a parameter that may be left out."""
    return None if value is None else parameter(value)


def measured_in(unit: str) -> dict[str, str]:
    """Metadata of a field that declare the unit of the parameter.

    **Arguments:**

    - `unit`: the unit, such as `1/yr`, `degC` or `trillion US$`.

    **Returns:** the `metadata` of `eqx.field`.

    !!! example

        ```python
        import equinox as eqx
        import jax.numpy as jnp
        from jaxtyping import Array, Float

        import abatax as ab

        class Extraction(ab.models.AbstractBlock):
            rate: Float[Array, "..."] = eqx.field(
                default=0.02, converter=jnp.asarray, metadata=ab.models.measured_in("1/yr")
            )

        assert float(Extraction().rate) == 0.02
        ```
    """
    return {"unit": unit}
