"""Checks of solver options, with one-line messages."""

from typing import Any

from ...common import shortened


def check_tolerance(tolerance: Any) -> None:
    """**Raises:** `ValueError` unless a tolerance, a share of the range of V, lies between 0 and 1."""
    if not 0.0 < tolerance < 1.0:
        raise ValueError(f"`solver.tolerance` is {tolerance}; it must be > 0 and below 1.")


def check_whole(name: str, value: Any, least: int, most: int = 10**9) -> None:
    """**Raises:** `ValueError` unless an option is a whole number within bounds."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or not least <= value <= most:
        bound = f"between {least} and {most}" if whole and value > most else f">= {least}"
        raise ValueError(f"`solver.{name}` is {shortened(str(value))}; it must be a whole number {bound}.")


def check_real(name: str, value: Any, low: float, high: float, unit: str = "") -> None:
    """**Raises:** `ValueError` unless an option lies between two bounds, bounds included."""
    if not low <= value <= high:
        raise ValueError(f"`solver.{name}` is {value}; it must be between {low:g} and {high:g}{unit}.")
