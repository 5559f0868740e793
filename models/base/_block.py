import equinox as eqx


class AbstractBlock(eqx.Module):
    """A part of a model, such as its climate or its damages, with parameters of its own.

    A block that a sub-package of `abatax.models` exports is known by its name to `configure`, `--set` and run.json. Its fields
    are its parameters; `measured_in` declares the unit of a field.

    !!! example

        ```python
        import abatax as ab

        assert issubclass(ab.models.DamageJump, ab.models.AbstractBlock)
        ```
    """
