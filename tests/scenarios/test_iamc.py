"""The IAMC table says what the dataset says, in the spelling of IAMC tools."""

import numpy as np
import pandas as pd
import pytest
from scenario_cases import synthetic_paths

import abatax as ab
from abatax import scenarios

YEARS = [2020, 2021, 2022, 2023, 2024]
RUN = {
    "model": "uncertain_damages",
    "parameters": {"ambiguity": {"shocks": 1.0, "jumps": "inf"}, "damages": {"curvatures": [0.0, 0.1]}},
    "solver": {"name": "finite_difference", "points": 41},
    "versions": {"abatax": "0.1.0", "commit": "abc"},
    "converged": True,
    "residual_rms": 1e-9,
    "residual_max": 1e-8,
}


def table_of(**options):
    return scenarios.to_iamc(synthetic_paths(**options))


def test_shape_and_names():
    table = table_of()
    assert list(table.columns) == [*scenarios.INDEX, *YEARS]
    assert set(table["Model"]) == {"abatax uncertain_damages 0.1.0"}
    assert set(table["Scenario"]) == {"ambiguity averse"}
    assert set(table["Region"]) == {"World"}
    # four variables with a median, a mean and five percentiles; one climate variable without a plain row; one jump
    assert len(table) == 4 * 7 + 6 + 1
    names = set(table["Variable"])
    assert {"Emissions|CO2", "Emissions|CO2|Mean", "Emissions|CO2|5.0th Percentile"} <= names
    assert "Surface Temperature (GSAT)|TCRE|50.0th Percentile" in names
    assert "Surface Temperature (GSAT)" not in names
    assert not any("AR6 climate diagnostics" in name for name in names)


@pytest.mark.parametrize(
    ("variable", "name", "unit", "factor"),
    [
        ("Emissions|CO2", "emissions", "Mt CO2/yr", 44000.0 / 12.0),
        ("GDP|MER", "output", "billion USD_2010/yr", 1000.0 * 0.9186 / 1.0869),
        ("Capital Stock", "capital", "billion USD_2010/yr", 1000.0 * 0.9186 / 1.0869),
        ("Social Cost of Carbon", "scc", "USD_2010/t CO2", 0.9186 / 1.0869),
        ("Surface Temperature (GSAT)|TCRE|50.0th Percentile", "temperature", "K", 1.0),
    ],
)
def test_rows_are_the_medians(variable, name, unit, factor):
    summary = scenarios.summarise(synthetic_paths())
    row = scenarios.to_iamc(summary).set_index("Variable").loc[variable]
    assert row["Unit"] == unit
    np.testing.assert_allclose(row[YEARS].astype(float), factor * summary[name].sel(quantile=0.5), rtol=1e-14)


def test_paths_and_summary_give_the_same_table():
    paths = synthetic_paths()
    pd.testing.assert_frame_equal(scenarios.to_iamc(paths), scenarios.to_iamc(scenarios.summarise(paths)))


def test_spelling_of_the_ar6_data_base():
    units = set(scenarios.to_iamc(synthetic_paths(), style="ar6")["Unit"])
    assert "US$2010/t CO2" in units and "billion US$2010/yr" in units and not any("USD_" in unit for unit in units)


def test_price_year_of_the_export():
    table = scenarios.to_iamc(synthetic_paths(), price_year_out=2020).set_index("Variable")
    assert table.loc["Social Cost of Carbon", "Unit"] == "USD_2020/t CO2"
    assert table.loc["Social Cost of Carbon", 2020] == pytest.approx(100.0, rel=1e-14)


def test_the_worst_case_is_a_scenario_of_its_own():
    table = pd.concat([table_of(), table_of(ambiguity="neutral"), table_of(measure="worst-case")])
    expected = {"ambiguity averse", "ambiguity neutral", "ambiguity averse [worst-case measure]"}
    assert set(table["Scenario"]) == expected


@pytest.mark.slow
def test_scenarios_of_a_model_keep_their_names():
    data = ab.solve(ab.models.Dice2023(scenario="t2c"), throw=False, max_steps=1).to_dataset()
    assert scenarios.scenario_names(data)[1] == "t2c"
    del data.attrs["scenario"]
    assert scenarios.scenario_names(data)[1] == "optimum"


def test_refusals():
    paths = synthetic_paths()
    with pytest.raises(ValueError, match="Scenario is 'a:b'"):
        scenarios.to_iamc(paths, scenario="a:b")
    with pytest.raises(ValueError, match="style"):
        scenarios.to_iamc(paths, style="ar5")
    with pytest.raises(ValueError, match="price year 2023"):
        scenarios.to_iamc(paths.assign_attrs(price_year=2023))
    with pytest.raises(ValueError, match="IAMC name of two variables"):
        scenarios.to_iamc(paths.assign(again=paths["emissions"]))
    with pytest.raises(ValueError, match="whole years"):
        scenarios.to_iamc(paths.assign_coords(year=paths["year"] + 0.5))
    paths["emissions"][:, 1] = np.inf
    with pytest.raises(ValueError, match="infinite in 2021"):
        scenarios.to_iamc(paths)


def test_missing_years_stay_empty():
    paths = synthetic_paths()
    paths["emissions"][:, 1] = np.nan
    paths["scc"][:] = np.nan
    table = scenarios.to_iamc(paths).set_index("Variable")
    assert np.isnan(table.loc["Emissions|CO2", 2021]) and "Social Cost of Carbon" not in table.index


def test_files_are_read_back_equal(tmp_path):
    table = pd.concat([table_of(), table_of(ambiguity="neutral")], ignore_index=True)
    rows = scenarios.meta(RUN, synthetic_paths())
    scenarios.write_iamc_csv(table, tmp_path / "scenario.csv")
    scenarios.write_iamc_xlsx(table, tmp_path / "scenario.xlsx", rows)
    from_csv = pd.read_csv(tmp_path / "scenario.csv")
    from_csv.columns = table.columns
    # pandas before 3 reads, and openpyxl writes, all but the last of 17 digits
    pd.testing.assert_frame_equal(from_csv, table, rtol=1e-15, atol=0.0, check_column_type=False)
    from_xlsx = pd.read_excel(tmp_path / "scenario.xlsx", sheet_name="data")
    pd.testing.assert_frame_equal(from_xlsx, table, rtol=1e-15, atol=0.0, check_column_type=False)
    from_xlsx = pd.read_excel(tmp_path / "scenario.xlsx", sheet_name="meta")
    assert list(from_xlsx.columns) == list(rows.columns)
    assert from_xlsx.loc[0].tolist() == rows.loc[0].tolist()
    assert {path.name for path in tmp_path.iterdir()} == {"scenario.csv", "scenario.xlsx"}


def test_metadata():
    row = scenarios.meta(RUN, synthetic_paths()).loc[0]
    assert row["Category"] == "not assessed"
    assert row["Converged"] == True  # noqa: E712, numpy's truth value
    assert row["Parameter ambiguity.shocks"] == 1.0
    assert row["Parameter ambiguity.jumps"] == "infinite"
    assert row["Parameter damages.curvatures"] == "[0.0, 0.1]"
    assert row["Year of net zero CO2, median"] == "not by 2024"
    assert row["median peak warming (TCRE)"] == pytest.approx(1.28)
    assert row["Exceedance Probability 1.5C (TCRE)"] == 0.0
    assert not row.isna().any()


@pytest.mark.parametrize(("words", "years"), [("warming above 1900", "1900"), ("warming", "1850-1900")])
def test_the_baseline_is_that_of_the_variable(words, years):
    paths = synthetic_paths()
    paths["temperature"].attrs["long_name"] = words
    assert scenarios.meta({}, paths).loc[0, "Temperature baseline"] == years


def test_net_zero_years_count_paths_that_never_get_there():
    paths = synthetic_paths(num_paths=100)
    paths["emissions"][:60, 3:] = -0.1  # 60 of 100 paths from 2023 on
    row = scenarios.meta({}, paths).loc[0]
    assert row["Year of net zero CO2, median"] == 2023
    assert row["Year of net zero CO2, 95th percentile"] == "not by 2024"


FORMULAS = ["=1+1", "+net zero", "-2", "-net zero", "@SUM(A1)"]


@pytest.mark.parametrize("name", FORMULAS)
def test_text_that_looks_like_a_formula_stays_text(tmp_path, name):
    openpyxl = pytest.importorskip("openpyxl")
    table = scenarios.to_iamc(synthetic_paths(), scenario=name)
    rows = scenarios.meta(RUN | {"parameters": {"source": name}}, synthetic_paths(), scenario=name)
    scenarios.write_iamc_xlsx(table, tmp_path / "scenario.xlsx", rows)
    book = openpyxl.load_workbook(tmp_path / "scenario.xlsx")
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row if cell.value == name]
    assert len(cells) == len(table) + 2 and all(cell.data_type == "s" for cell in cells)
    back = pd.read_excel(tmp_path / "scenario.xlsx", sheet_name="data", dtype={"Scenario": str})
    assert set(back["Scenario"]) == {name}
    scenarios.write_iamc_csv(table, tmp_path / "scenario.csv")
    first = (tmp_path / "scenario.csv").read_text().splitlines()[1].split(",")[1]
    assert first == (name if name == "-2" else f"'{name}")  # a number is no formula


def test_tables_written_read_back_and_joined_have_every_year_once(tmp_path):
    new = table_of()
    scenarios.write_iamc_csv(table_of(ambiguity="neutral"), tmp_path / "neutral.csv")
    joined = pd.concat([new, pd.read_csv(tmp_path / "neutral.csv")], ignore_index=True)
    assert {2020, "2020"} <= set(joined.columns)
    expected = pd.concat([new, table_of(ambiguity="neutral")], ignore_index=True)
    scenarios.write_iamc_csv(joined, tmp_path / "both.csv")
    again = pd.read_csv(tmp_path / "both.csv").rename(columns={str(year): year for year in expected.columns})
    pd.testing.assert_frame_equal(again, expected, rtol=1e-15, check_column_type=False)
    scenarios.write_iamc_xlsx(joined, tmp_path / "both.xlsx")
    assert list(pd.read_excel(tmp_path / "both.xlsx").columns) == list(expected.columns)


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda t: t.assign(**{"2020": t[2020] + 1.0}), "column 2020 occurs twice, with different values of"),
        (lambda t: t.assign(note="a"), "column 'note' is not a year"),
        (lambda t: t.assign(**{"2020.5": 1.0}), "column '2020.5' is not a year"),
        (lambda t: t.drop(columns="Unit"), "0 columns `Unit`"),
        (lambda t: t.assign(**{"2021": "many"}), "column 2021 contains values that are not numbers"),
        (lambda t: t.assign(**{"2031": np.inf}), "column 2031 contains an infinite value"),
        (lambda t: t.assign(Scenario=1.0), "Scenario is '1.0'"),
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path, change, words):
    for write in (scenarios.write_iamc_csv, scenarios.write_iamc_xlsx):
        with pytest.raises(ValueError, match=words):
            write(change(table_of()), tmp_path / "scenario")
    assert list(tmp_path.iterdir()) == []


def test_pyam_reads_the_workbook(tmp_path):
    pyam = pytest.importorskip("pyam", reason="pyam (extra `iamc`) is not installed")
    scenarios.write_iamc_xlsx(table_of(), tmp_path / "scenario.xlsx", scenarios.meta(RUN, synthetic_paths()))
    frame = pyam.IamDataFrame(tmp_path / "scenario.xlsx")
    assert frame.region == ["World"] and "Emissions|CO2" in frame.variable
    assert frame.meta["Category"].tolist() == ["not assessed"]
