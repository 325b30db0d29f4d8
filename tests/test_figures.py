"""A figure holds its specification and its data, is saved in three forms and three themes, and is what pages and `report --figures` draw."""

import csv
import re
import sys

import numpy as np
import polars as pl
import pytest

import outcross
from outcross.cli import main
from outcross.errors import BadInput
from outcross.report.figure import FORMATS, THEMES, Figure, themed

SHARES = {
    "name": "shares",
    "human": {"distribution": "normal", "rows": 40},
    "learner": "gaussian",
    "draw": {"prompts": "none"},
    "generations": 4,
    "chains": 20,
    "metrics": ["fitted_law", "tail_mass"],
    "sweep": {
        "policy": ["replace", {"kind": "human_share", "share": 0.1}, {"kind": "human_share", "share": 0.5}],
        "seed": [0, 1, 2, 3],
    },
}


@pytest.fixture(scope="module")
def run():
    return outcross.run(SHARES).finish()


def marks(spec) -> list:
    """Every row of data in a specification."""
    if isinstance(spec, dict):
        return [row for key, part in spec.items() for row in (part["values"] if key == "data" else marks(part))]
    return [row for part in spec for row in marks(part)] if isinstance(spec, list | tuple) else []


def test_a_figure_draws_the_pooled_frame_and_nothing_else(run):
    figure = run.plot("log_variance")
    pooled = run.frame(pooled=True).filter(measure="log_variance")
    drawn = figure.data.filter(pl.col("seed").is_null())
    assert (
        drawn.select("arm", "generation", "value", "low", "high", "n").rows()
        == pooled.select("arm", "generation", "value", "low", "high", "n").rows()
    )
    values = {round(row["value"], 12) for row in marks(figure.spec) if "value" in row and "generation" in row}
    assert {round(value, 12) for value in drawn["value"]} <= values
    assert "95 % intervals over 4 seeds" in figure.caption


def test_pooled_readings_are_the_mean_of_the_seeds_with_students_interval(run):
    place = {"arm": "replace", "generation": 3, "measure": "log_variance"}
    values = run.frame().filter(**place)["value"].to_numpy()
    (pooled,) = run.frame(pooled=True).filter(**place).to_dicts()
    half = 3.182446305 * values.std(ddof=1) / 2  # the 97.5 % quantile of Student's t with 3 degrees of freedom
    assert pooled["value"] == pytest.approx(values.mean()) and pooled["seeds"] == pooled["n"] == 4
    assert (pooled["low"], pooled["high"]) == pytest.approx((values.mean() - half, values.mean() + half))
    assert "seed" not in pooled and pooled["policy.kind"] == "replace"


def test_lines_are_told_apart_by_a_setting_by_its_end_or_by_the_part_that_it_is_of(run):
    for by in ("policy.share", "share", "human_share"):
        figure = run.plot("log_variance", by=by)
        assert dict(figure.data.select("arm", "policy.share").unique().iter_rows()) == {
            "human_share=0.1": 0.1,
            "human_share=0.5": 0.5,
        }
        assert "left out" in figure.caption and "replace" in figure.caption
    assert run.plot("log_variance", by="policy").data["policy"].n_unique() == 3
    against = run.plot("log_variance", against="human_share")
    assert against.data["policy.share"].to_list() == [0.1, 0.5] and against.data["generation"].unique().to_list() == [3]


def test_what_is_swept_beside_has_a_chart_of_its_own():
    crossed = SHARES | {
        "sweep": {"policy.share": [0.1, 0.5], "human.rows": [20, 40]},
        "policy": {"kind": "human_share"},
        "generations": 2,
    }
    figure = outcross.run(crossed).finish().plot("log_variance", by="share")
    assert [panel["title"]["text"] for panel in figure.spec["concat"]] == ["human.rows = 20", "human.rows = 40"]
    assert figure.data.height == 8 and figure.data["arm"].n_unique() == 4


@pytest.mark.parametrize(
    ("asked", "near"),
    [
        ({"measure": "log_varianc"}, "log_variance"),
        ({"measure": "tail_mass", "at": "above 9 %"}, "above 99 %"),
        ({"by": "polic"}, "policy"),
        ({"by": "seed"}, "do not differ in 'seed'"),
        ({"against": "policy.shar"}, "policy.share"),
        ({"by": "policy", "against": "share"}, "(by=) or against a setting (against=), not both"),
    ],
)
def test_what_is_not_there_is_one_line_with_the_nearest(run, asked, near):
    with pytest.raises(BadInput) as refused:
        run.plot(**asked)
    assert near in str(refused.value) and "\n" not in str(refused.value)


def test_a_run_that_has_not_begun_answers_plainly():
    empty = outcross.run(SHARES)
    assert "0 of 48 generations" in repr(empty) and "0 of 48 generations" in empty._repr_html_()
    for ask in (empty.frame, empty.plot, empty.texts, empty.figures):
        with pytest.raises(BadInput, match="no generation has ended"):
            ask()


def test_a_figure_is_saved_in_every_form_and_theme(run, tmp_path):
    pytest.importorskip("vl_convert")
    figure = run.plot("log_variance")
    opening = {"svg": b"<svg", "pdf": b"%PDF", "png": b"\x89PNG"}
    for form in FORMATS:
        path = figure.save(tmp_path / "new" / f"figure.{form}")
        assert path.read_bytes().startswith(opening[form]) and figure.rendered(form) == path.read_bytes()
    pictures = {theme: figure.save(tmp_path / f"{theme}.svg", theme=theme).read_text() for theme in THEMES}
    assert len(set(pictures.values())) == 3 and "#171715" in pictures["dark"] and "#d55e00" in pictures["print"]
    assert (
        "<svg" in figure._repr_html_()
        and "over 4 seeds" in figure._repr_mimebundle_()["text/html"]
        and len(repr(figure).splitlines()) <= 3
    )


@pytest.mark.parametrize("name", ["figure.jpg", "figure", "figure.svg.txt"])
def test_a_wrong_suffix_is_refused(run, tmp_path, name):
    with pytest.raises(BadInput, match=r"must end with \.svg, \.pdf or \.png"):
        run.plot().save(tmp_path / name)


def test_a_wrong_theme_and_a_folder_are_refused(run, tmp_path):
    with pytest.raises(BadInput, match="did you mean 'dark'"):
        run.plot().save(tmp_path / "f.svg", theme="drak")
    (tmp_path / "g.svg").mkdir()
    with pytest.raises(BadInput, match="is a folder"):
        run.plot().save(tmp_path / "g.svg")


def test_without_the_chart_engine_the_extra_is_named_and_a_notebook_shows_the_data(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(BadInput, match=r"outcross\[report\]"):
        run.plot().save(tmp_path / "f.pdf")
    assert "<table" in run.plot()._repr_html_()


def test_a_theme_leaves_data_and_names_as_they_are():
    spec = {"data": {"values": [{"arm": "#111"}]}, "scale": {"domain": ["#111"]}, "title": "#111", "mark": {"color": "#111"}}
    assert themed(spec, "dark") == spec | {"mark": {"color": "#d6d4ce"}, "background": "#171715"}


def test_every_figure_of_the_page_is_written_by_itself_with_its_data(tmp_path):
    pytest.importorskip("vl_convert")
    recipe = SHARES | {"metrics": ["fitted_law"], "generations": 2, "sweep": {"seed": [0, 1, 2, 3]}, "policy": "replace"}
    run = outcross.run(recipe, out=tmp_path / "run").finish()
    done = outcross.report(tmp_path / "run", figures=tmp_path / "figures", format="svg,pdf", theme="print")
    names = {figure.name for figure in run.figures()}
    assert {path.name for path in done.saved} == {f"{name}.{form}" for name in names for form in ("svg", "pdf", "csv")}
    assert "log_variance" in names and "log_variance-every-seed" in names
    page = (tmp_path / "run" / "report.html").read_text()
    assert all(f">{figure.title}" in page or figure.title.split(",")[0] in page for figure in run.figures())
    with (tmp_path / "figures" / "log_variance.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["value"]) for row in rows] == run.plot("log_variance").data["value"].to_list()
    again = outcross.report(tmp_path / "run", figures=tmp_path / "figures", format="svg")
    assert {path.suffix for path in again.saved} == {".svg", ".csv"} and not list((tmp_path / "figures").glob("*.pdf"))


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--figures", "F", "--format", "jpg"], "svg, pdf or png"),
        (["--figures", "F", "--theme", "drak"], "did you mean 'dark'"),
        (["--format", "pdf"], "--figures DIR"),
        (["--figures", "mine"], "--figures"),
    ],
)
def test_the_command_refuses_what_it_cannot_write_in_one_line(tmp_path, capsys, words, why):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(SystemExit) as stopped:
        main(["report", str(tmp_path), *(str(tmp_path / word) if word in ("mine", "F") else word for word in words)])
    said = capsys.readouterr().err
    assert stopped.value.code == 2 and why in said and len(said.splitlines()) == 1 and not (tmp_path / "F").exists()


def test_audits_mixes_and_share_curves_have_figures_of_their_own(tmp_path):
    rng = np.random.default_rng([20_26, 13])
    human = pl.DataFrame({"age": rng.normal(40, 9, 600), "job": rng.choice(["clerk", "driver", "nurse"], 600)})
    narrow = human.with_columns(age=40 + 0.5 * (pl.col("age") - 40))
    audit = outcross.audit(narrow, reference=human, aspects=("spread", "groups"))
    assert {"checks", "column-age"} <= {figure.name for figure in audit.figures()}
    assert audit.frame().height == len(audit.every) and audit.plot("age").data["records"].sum() == 1200
    worst = audit.plot("checks").data
    assert worst["severity"].to_list() == sorted(worst["severity"], reverse=True) and (worst["depth"] > 1).all()
    with pytest.raises(BadInput, match="did you mean 'age'"):
        audit.plot("agee")
    several = outcross.audits({"narrow": narrow, "same": human}, reference=human, aspects=("spread",))
    assert several.plot("aspects").data["other"].unique().sort().to_list() == ["narrow", "same"]
    pools = [{"name": "human", "data": human, "origin": "human"}, {"name": "g", "data": narrow, "origin": {"model": "x"}}]
    mixes = [
        outcross.mix(pools=pools, rows=200, human_share=share, groups=["job"], out=tmp_path / f"{share}") for share in (0.2, 0.4)
    ]
    assert dict(mixes[0].plot("origin").data.select("value", "rows").iter_rows()) == {"human": 40, "model": 160}
    assert isinstance(mixes[0].plot("job"), Figure)
    changes = outcross.report([mix.folder for mix in mixes]).changes
    assert changes.plot("origin").data.filter(value="human")["share"].to_list() == [0.2, 0.4]
    assert mixes[0].report(tmp_path / "mix.html").read_text().count("<section>") >= 4
    alone = outcross.report(mixes[0].folder, figures=tmp_path / "figures")
    assert alone.path is None and {path.suffix for path in alone.saved} == {".svg", ".csv"}


def test_every_result_is_short_in_a_line_or_three(run, tmp_path):
    human = {"x": list(range(100)), "job": ["a", "b"] * 50}
    audits = outcross.audits({"same": human, "other": human}, reference=human, aspects=("spread",))
    mix = outcross.mix(pools=[{"name": "human", "data": human, "origin": "human"}], rows=40, out=tmp_path / "mix")
    results = [run, audits, audits[0], mix, outcross.card(tmp_path / "mix"), outcross.parts("policies"), outcross.show("gaussian")]
    results += [outcross.audit(human, reference=human, plan=True), outcross.show(tmp_path / "mix", id=mix.frame()["_id"][0])]
    for result in results:
        assert 1 <= len(repr(result).splitlines()) <= 3 and max(map(len, repr(result).splitlines())) < 420, repr(result)
        assert (
            re.search("<(pre|div|table)", result._repr_html_())
            and isinstance(result.frame(), pl.DataFrame)
            and result.plain()
            and list(result.lines(80))
        )


def test_a_setting_that_one_arm_has_is_no_axis():
    human = {"distribution": "normal", "rows": 50}
    run = outcross.run(
        {"name": "mine", "human": human, "learner": "gaussian", "generations": 2, "metrics": ["fitted_law"], "draw": {"prompts": "none"},
         "sweep": {"policy": ["replace", {"kind": "human_share", "share": 0.2}]}}
    ).finish()  # fmt: skip
    with pytest.raises(
        BadInput, match=r"'policy\.share' is set only in .*human_share.*, to one value; name a setting that differs"
    ):
        run.plot("log_variance", by="policy.share")
