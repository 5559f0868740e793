"""Strict JAX for every test, and the fixtures that all of them share."""

import collections
import itertools
import os
import subprocess
import sys
from pathlib import Path

# Tests compile much and compute little: plain code saves a third of the CPU time of the suite (the slow part is
# LLVM and the fusion emitters; level 0 compiles faster still, but its code runs twice as long). The flags are
# read with the first compilation, here, in the workers and in the programs that tests start. `XLA_FLAGS= make test`
# tests what users run.
_QUICK_TO_COMPILE = (
    "--xla_backend_optimization_level=1",
    "--xla_llvm_disable_expensive_passes=true",
    "--xla_cpu_use_fusion_emitters=false",
    "--xla_cpu_parallel_codegen_split_count=1",
)


def _known_flags(flags: tuple[str, ...]) -> tuple[str, ...]:
    """The flags that this jaxlib knows: XLA ends the process at an unknown one, so a process of its own tries them."""
    program = [sys.executable, "-c", "import jax; jax.devices()"]
    tried = subprocess.run(program, env=os.environ | {"XLA_FLAGS": " ".join(flags)}, capture_output=True, text=True)
    unknown = [flag for flag in flags if f"{flag.split('=')[0]}=" in tried.stderr]
    if tried.returncode == 0:
        return flags
    return _known_flags(tuple(flag for flag in flags if flag not in unknown)) if unknown else ()


if "XLA_FLAGS" not in os.environ:
    os.environ["XLA_FLAGS"] = " ".join(_known_flags(_QUICK_TO_COMPILE))

import jax  # noqa: E402
import jax.random as jr  # noqa: E402
import pytest  # noqa: E402
import type_checks  # noqa: E402

type_checks.install()
jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")


def pytest_configure(config):
    # Compiled programs outlive the run. JAX names an entry by the hash of its program and writes it
    # once, so workers may share the folder; `filterwarnings` covers a reader that meets a writer.
    if "JAX_COMPILATION_CACHE_DIR" in os.environ or not hasattr(config, "cache"):
        return
    jax.config.update("jax_compilation_cache_dir", str(config.cache.mkdir("jax")))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.05)


# The files that take longest, in this order: a worker that began one of them last would leave the others idle at the end.
_FIRST = (
    "test_neural.py",
    "test_architectures.py",
    "test_uncertain_damages.py",
    "test_coupled.py",
    "test_storage.py",
    "test_examples.py",
    "test_judgement.py",
    "test_compare.py",
    "test_readme.py",
    "test_cli.py",
    "test_simulate.py",
    "test_dice.py",
    "test_wrong_branch.py",
    "test_driver.py",
)


def pytest_collection_modifyitems(items):
    """Files that take longest come first; the cases of a test that its mark `representative` does not name are slow."""
    items.sort(key=lambda item: _FIRST.index(item.path.name) if item.path.name in _FIRST else len(_FIRST))
    for item in items:
        marker = item.get_closest_marker("representative")
        if marker is None:
            continue
        case = item.name.partition("[")[2].rstrip("]")
        if not any(kept in case for kept in marker.args):
            item.add_marker(pytest.mark.slow)


def _cpu_seconds() -> float:
    """Processor time of this process and of the processes that it started and that have ended."""
    return sum(os.times()[:4])


_spent = _cpu_seconds()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """Every report carries the processor time since the one before."""
    global _spent
    report = yield
    now = _cpu_seconds()
    report.cpu_seconds, _spent = now - _spent, now
    return report


def pytest_terminal_summary(terminalreporter):
    """The processor time of the tests of every folder."""
    seconds = collections.Counter()
    for report in itertools.chain.from_iterable(terminalreporter.stats.values()):
        if hasattr(report, "cpu_seconds"):
            seconds[report.nodeid.partition("::")[0].rpartition("/")[0]] += report.cpu_seconds
    terminalreporter.section("processor time per folder, in seconds")
    for folder, spent in sorted(seconds.items()):
        terminalreporter.line(f"{spent:8.1f}  {folder}")
    terminalreporter.line(f"{seconds.total():8.1f}  together")


@pytest.fixture(scope="module", autouse=True)
def _forget_compiled_programs():
    """Programs are kept until there are too many, because many modules solve the same small problems.

    Linux allows 65 530 memory maps; the tests of one module add less than 10 000.
    """
    from abatax.solvers.base import release_programs  # jaxtyping's hook must be in place before abatax is imported

    yield
    release_programs(30_000)


@pytest.fixture
def getkey():
    """`getkey()` returns a fresh random key, the same sequence in every run."""
    numbers = itertools.count()
    return lambda: jr.fold_in(jr.key(5678), next(numbers))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with third-party reference data, which is not part of the repository."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no reference data: the folder ../shared/data beside the repository is absent")
    return folder
