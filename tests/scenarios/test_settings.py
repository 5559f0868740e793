"""Configuration files: what is accepted by mistake is refused in one line."""

import pytest

from abatax.scenarios import read_settings
from abatax.scenarios.run import check_seed, check_simulation

_MODEL = 'model = "linear_quadratic"\n'


def _read(tmp_path, text):
    path = tmp_path / "run.toml"
    path.write_text(text, encoding="utf-8")
    settings = read_settings(path)
    settings.problem()
    return settings


@pytest.mark.parametrize(
    "text, words",
    [
        ("seed = true", "`seed` is True"),
        ("seed = -1", "`seed` is -1"),
        ("seed = 9223372036854775808", "`seed` is 9223372036854775808"),
        ('seed = "1"', "`seed` is '1'"),
        ("[parameters]\nfeedback = true", "`feedback` is True; it must be a number"),
        ("[parameters]\nfeedback = {}", "`parameters.feedback` is an empty table"),
        ("[parameters.ambiguity]", "`parameters.ambiguity` is an empty table"),
        ("[parameters]\nfeedback = 1979-05-27", "it must be a number"),
        ("[parameters]\nfeedback = [[1.0]]", "feedback"),
        (
            '[parameters]\nambiguity.shocks = 1.0\n"ambiguity.shocks" = 2.0',
            "`parameters.ambiguity.shocks` is given twice",
        ),
        ("[box]\nstate = [true, 3.0]", "`box.state.0` is True"),
        ("[box]\nstate = [-inf, 3.0]", "`box.state.0` is -inf"),
        ("[box.state]", "`box.state` is an empty table"),
        ("[solver]\ntolerance = inf", "`solver.tolerance` is inf"),
        ("[solver]\ntolerance = 1.0", "`solver.tolerance` is 1.0; it must be > 0 and below 1"),
        ("[solver]\npoints = true", "`solver.points` is True"),
        ("[simulation]\nyears = true", "`simulation.years` is True"),
        ("[simulation]\npaths = 100000000", "`simulation.paths` is 100000000"),
        ("[parameters]\n" + "a." * 3000 + "a = 1", "nested too deeply"),
        ("[parameters]\nfeedback = " + "[" * 5000 + "]" * 5000, "nested too deeply"),
        (f'[parameters]\n"{"k" * 10**6}" = 1', "unknown field"),
        (f"seed = {'9' * 5000}", "run.toml"),
    ],
)
def test_wrong_files_are_refused(tmp_path, text, words):
    with pytest.raises(ValueError) as caught:
        _read(tmp_path, _MODEL + text)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_section_without_entries_changes_nothing(tmp_path):
    settings = _read(tmp_path, _MODEL + "[parameters]\n[solver]\n[box]\n[simulation]\n")
    assert settings == read_settings(tmp_path / "run.toml") and settings.dotted() == {}


def test_options_have_the_bounds_of_a_file():
    check_simulation(500, 100_000)
    check_simulation(1, 1)
    check_seed(2**63 - 1)
    for call, words in (
        (lambda: check_simulation(10**8, 1000), "`--years` is 100000000"),
        (lambda: check_simulation(0, 1000), "`--years` is 0"),
        (lambda: check_simulation(80, 10**9), "`--paths` is 1000000000"),
        (lambda: check_simulation(80, 0), "`--paths` is 0"),
        (lambda: check_seed(2**63), "`--seed` is 9223372036854775808"),
        (lambda: check_seed(-1), "`--seed` is -1"),
    ):
        with pytest.raises(ValueError, match=words):
            call()
