"""Release of compiled programs in long runs: they hold memory maps, of which Linux allows a process 65530."""

from pathlib import Path

import jax

_MAPS = Path("/proc/self/maps")  # this limit and this file exist on Linux only
_MANY = 20_000  # the default of `vm.max_map_count` is 65530


def release_programs(many: int = _MANY) -> bool:
    """Clear the compiled programs of JAX if this process holds more than `many` memory maps.

    Programs that are needed later are compiled again. Without this function a comparison of all architectures on one model ends
    after about fifty rows with LLVM's "Cannot allocate memory", even if memory is free.

    **Returns:** whether the programs were cleared.
    """
    if not _MAPS.exists() or _MAPS.read_text().count("\n") <= many:
        return False
    jax.clear_caches()
    return True
