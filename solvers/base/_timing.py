"""Seconds of tracing and compilation by JAX in this process, so that they can be reported separately."""

import threading

import jax

_EVENTS = ("/jax/core/compile/",)
_seconds = threading.local()


def _listen(event: str, duration_secs: float, **kwargs: str | int) -> None:
    del kwargs
    if event.startswith(_EVENTS):
        _seconds.total = getattr(_seconds, "total", 0.0) + duration_secs


jax.monitoring.register_event_duration_secs_listener(_listen)


def compile_clock() -> float:
    """Seconds of tracing and compilation so far, in this thread."""
    return getattr(_seconds, "total", 0.0)
