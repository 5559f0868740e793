"""A persistent cache of compiled programs in a folder, shared between processes. This module does not import JAX."""

import os
import sys
import warnings
from pathlib import Path

# Environment variable with a folder or a word that disables the cache. JAX's own variable takes precedence.
SWITCH = "ABATAX_COMPILATION_CACHE"
_OFF = ("off", "0", "false", "no")
# JAX settings with JAX's default and our value. Small programs are also cached if compiling them takes longer than reading them.
_SETTINGS = {
    "jax_persistent_cache_min_compile_time_secs": (1.0, 0.1),
    "jax_persistent_cache_min_entry_size_bytes": (0, -1),
}
# Unwritable folders that have already been reported.
_reported: set[Path] = set()


def use_compilation_cache(folder: str | os.PathLike | bool = True) -> Path | None:
    """Cache compiled programs in a folder for later processes, or disable the cache.

    The import of abatax calls this function, so that only the first process that solves a model compiles it. The environment variable
    `ABATAX_COMPILATION_CACHE` sets another folder, or disables the cache with `off`. A folder that is configured in JAX itself
    (`JAX_COMPILATION_CACHE_DIR`, or `jax.config`) takes precedence over the default and the variable. If the folder cannot be written,
    one warning is issued and programs are compiled in every process.

    **Arguments:**

    - `folder`: a folder; True for the default, `abatax/xla` in the user's cache folder (`XDG_CACHE_HOME`); False for none.

    **Returns:** the folder in use, or None.

    !!! example

        ```python
        import abatax as ab

        folder = ab.use_compilation_cache(False)
        assert folder is None
        ```
    """
    if folder is False:
        _set_folder(None)
        return None
    chosen = _default_folder() if folder is True else Path(folder).expanduser()
    problem = _cannot_write(chosen)
    if problem:
        if chosen not in _reported:
            _reported.add(chosen)
            warnings.warn(
                f"compiled programs are not kept, because `{chosen}` cannot be written ({problem}); set {SWITCH} to another"
                " folder, or to off.",
                stacklevel=2,
            )
        _set_folder(None)
        return None
    # if the disk becomes full later, programs are only compiled again
    warnings.filterwarnings("ignore", message="Error (reading|writing) persistent compilation cache entry")
    _set_folder(chosen)
    return chosen


def use_default_compilation_cache() -> None:
    """Set the folder of the environment variable or the default folder, unless a folder is configured in JAX."""
    switch = os.environ.get(SWITCH, "")
    jax_folder = _folder_of_jax()
    if switch.lower() in _OFF:
        # a parent process may have passed on its default folder
        if jax_folder == str(_default_folder()):
            use_compilation_cache(False)
    elif jax_folder is None:
        use_compilation_cache(switch or True)


def _default_folder() -> Path:
    """The default folder. It depends on the processor, because different machines may share a home folder."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "abatax" / "xla" / _processor()


def _processor() -> str:
    """A name of the processor type: its architecture and, on Linux, a checksum of its features."""
    from zlib import crc32

    try:
        with Path("/proc/cpuinfo").open(errors="replace") as file:
            lines = file.read(8192).splitlines()  # the first processor is sufficient
    except OSError:
        lines = []
    features = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    machine = os.uname().machine if hasattr(os, "uname") else os.environ.get("PROCESSOR_ARCHITECTURE", "cpu")
    return f"{machine}-{crc32(features.encode()):08x}"


def _cannot_write(folder: Path) -> str:
    """The reason why a folder cannot be written; empty if it can be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return error.strerror or type(error).__name__
    return "" if os.access(folder, os.W_OK | os.X_OK) else "permission denied"


def _folder_of_jax() -> str | None:
    """The cache folder of JAX from its configuration or, before JAX is imported, from its environment variable."""
    if "jax" in sys.modules:
        return sys.modules["jax"].config.jax_compilation_cache_dir
    return os.environ.get("JAX_COMPILATION_CACHE_DIR")


def _set_folder(folder: Path | None) -> None:
    if "jax" not in sys.modules:  # before JAX is imported, its environment variables have the same effect
        if folder is None:
            os.environ.pop("JAX_COMPILATION_CACHE_DIR", None)
            return
        os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder)
        for name, (_, value) in _SETTINGS.items():
            os.environ.setdefault(name.upper(), str(value))
        return
    config = sys.modules["jax"].config
    for name, (default, value) in _SETTINGS.items() if folder is not None else ():
        if getattr(config, name) == default:
            config.update(name, value)
    before, after = config.jax_compilation_cache_dir, None if folder is None else str(folder)
    if before != after:
        config.update("jax_compilation_cache_dir", after)
    if before and before != after:
        # JAX continues to use the first folder until the cache is reset
        from jax.experimental.compilation_cache import compilation_cache

        compilation_cache.reset_cache()
