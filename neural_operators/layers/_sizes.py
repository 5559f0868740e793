"""Checks of sizes."""


def at_least(least: int, **sizes: int) -> None:
    """**Raises:** `ValueError` naming the first size that is below `least`."""
    for name, size in sizes.items():
        if size < least:
            raise ValueError(f"`{name}` is {size}; it must be at least {least}.")
