"""Compiled programs are kept in a folder, so that the next process need not compile them again. Does not import JAX."""

import os
import sys
import warnings
from pathlib import Path

# The switch: a folder, or one of the words that turn the cache off. JAX's own variable takes precedence.
SWITCH = "ABATAX_COMPILATION_CACHE"
_OFF = ("off", "0", "false", "no")
# JAX's settings, its own value and ours: also small programs are kept, if they take more seconds to compile than to read.
_SETTINGS = {
    "jax_persistent_cache_min_compile_time_secs": (1.0, 0.1),
    "jax_persistent_cache_min_entry_size_bytes": (0, -1),
}
# Folders that cannot be written and have been reported.
_reported: set[Path] = set()


def use_compilation_cache(folder: str | os.PathLike | bool = True) -> Path | None:
    """Keep compiled programs in a folder, where the next process finds them, or stop keeping them.

    Importing abatax calls this, so that only the first process that solves a model compiles it. The environment variable
    `ABATAX_COMPILATION_CACHE` names another folder, or is `off`. A folder that has been chosen for JAX itself
    (`JAX_COMPILATION_CACHE_DIR`, or `jax.config`) takes precedence over the default and the variable. A folder
    that cannot be written is reported in one warning, and programs are then compiled in every process.

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
                f"compiled programs are not kept, since `{chosen}` cannot be written ({problem}); set {SWITCH} to another"
                " folder, or to off.",
                stacklevel=2,
            )
        _set_folder(None)
        return None
    # a disk that is full later only means that a program is compiled again
    warnings.filterwarnings("ignore", message="Error (reading|writing) persistent compilation cache entry")
    _set_folder(chosen)
    return chosen


def use_default_compilation_cache() -> None:
    """What an import does: the switch's choice or the default, unless a folder has been chosen for JAX."""
    switch = os.environ.get(SWITCH, "")
    known = _folder_of_jax()
    if switch.lower() in _OFF:
        # a parent process may have handed its own default on
        if known == str(_default_folder()):
            use_compilation_cache(False)
    elif known is None:
        use_compilation_cache(switch or True)


def _default_folder() -> Path:
    """Programs are made for one kind of processor, and a home folder may be shared by several."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "abatax" / "xla" / _processor()


def _processor() -> str:
    """A name for what a processor can do: its architecture and, on Linux, a checksum of its features."""
    from zlib import crc32

    try:
        with Path("/proc/cpuinfo").open(errors="replace") as file:
            lines = file.read(8192).splitlines()  # one processor of many
    except OSError:
        lines = []
    features = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    machine = os.uname().machine if hasattr(os, "uname") else os.environ.get("PROCESSOR_ARCHITECTURE", "cpu")
    return f"{machine}-{crc32(features.encode()):08x}"


def _cannot_write(folder: Path) -> str:
    """Why nothing can be written to a folder; empty if it can."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return error.strerror or type(error).__name__
    return "" if os.access(folder, os.W_OK | os.X_OK) else "permission denied"


def _folder_of_jax() -> str | None:
    """The folder that JAX keeps compiled programs in, by its setting or, before it is imported, its variable."""
    if "jax" in sys.modules:
        return sys.modules["jax"].config.jax_compilation_cache_dir
    return os.environ.get("JAX_COMPILATION_CACHE_DIR")


def _set_folder(folder: Path | None) -> None:
    if "jax" not in sys.modules:  # its variables are as good as importing it, and cost nothing
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
        # JAX holds on to the folder that it has used first
        from jax.experimental.compilation_cache import compilation_cache

        compilation_cache.reset_cache()
