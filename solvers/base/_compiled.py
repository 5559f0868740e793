"""Compiled programs hold memory maps, of which Linux grants a process 65530: long runs in one process let go of them."""

from pathlib import Path

import jax

_MAPS = Path("/proc/self/maps")  # Linux alone has that limit and this file
_MANY = 20_000  # of the 65530 that `vm.max_map_count` grants by default


def release_programs(many: int = _MANY) -> bool:
    """Forget JAX's compiled programs if this process holds more than `many` memory maps; says whether it did.

    What is needed again is compiled again. Without it a comparison of all architectures on one model ends after about fifty
    rows with LLVM's "Cannot allocate memory", whatever memory is free.
    """
    if not _MAPS.exists() or _MAPS.read_text().count("\n") <= many:
        return False
    jax.clear_caches()
    return True
