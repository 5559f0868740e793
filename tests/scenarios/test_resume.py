"""A checkpoint lets only the same question go on in a folder that holds a finished solution."""

import pytest
from typer.testing import CliRunner

import abatax.scenarios.run._pipeline as pipeline
from abatax.cli import app
from abatax.scenarios.run import RunSettings, apply, may_resume, question, record_question


def call(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def settings(*assignments, **fields):
    return apply(RunSettings(model="linear_quadratic", **fields), list(assignments))


def test_the_question_is_the_same_however_it_is_written():
    typed = settings("feedback=-0.5", "solver.points=41,41")
    assert question(typed) == question(settings(parameters={"feedback": -0.5}, solver={"points": [41, 41]}))
    for other in (settings("feedback=-0.6", "solver.points=41,41"), settings("feedback=-0.5", seed=1)):
        assert question(other) != question(typed)


@pytest.mark.parametrize("leftover", ["another question", "no question", "damaged"])
def test_a_checkpoint_of_another_question_overwrites_nothing(tmp_path, leftover):
    asked = ["--set", "solver.points=41"]
    assert call("solve", "linear_quadratic", *asked, "--out", tmp_path).exit_code == 0
    before = (tmp_path / "solution.nc").read_bytes()
    record_question(tmp_path, settings("solver.points=41", "feedback=-0.7"))
    if leftover == "no question":
        (tmp_path / ".checkpoint" / "asked.json").unlink()
    elif leftover == "damaged":
        (tmp_path / ".checkpoint" / "asked.json").write_text("[")
    for verb in (["solve", "linear_quadratic", *asked, "--set", "feedback=-0.5"], ["run"]):
        result = call(*verb, "--out", tmp_path)
        assert result.exit_code == 2 and "solution.nc exists" in result.stderr and "--force" in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1
    assert (tmp_path / "solution.nc").read_bytes() == before


def test_the_same_question_goes_on_without_force(tmp_path):
    asked = ["--set", "solver.points=41"]
    assert call("solve", "linear_quadratic", *asked, "--out", tmp_path).exit_code == 0
    record_question(tmp_path, settings("solver.points=41"))  # as a run that was stopped after its solve leaves it
    assert may_resume(tmp_path, settings("solver.points=41"))
    assert call("solve", "linear_quadratic", *asked, "--out", tmp_path).exit_code == 0
    assert not (tmp_path / ".checkpoint").exists()
    assert call("solve", "linear_quadratic", *asked, "--out", tmp_path).exit_code == 2


def test_a_solve_that_is_refused_late_leaves_no_checkpoint(tmp_path, monkeypatch):
    def refuse(*arguments, **options):
        raise ValueError("`solver.points` is too much")

    monkeypatch.setattr(pipeline, "solve", refuse)
    assert call("solve", "linear_quadratic", "--out", tmp_path / "late").exit_code == 2
    assert not (tmp_path / "late" / ".checkpoint").exists()
