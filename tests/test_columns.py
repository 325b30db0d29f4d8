"""How columns are understood: by all sides at once, with a reason, and never beyond what is written."""

from datetime import datetime

import numpy as np
import polars as pl
import pytest
from conftest import outcross as command

from outcross.data.tables import Table, alike, table
from outcross.errors import BadInput
from outcross.files.chats import by_role
from outcross.files.forms import days, decorated_numbers
from outcross.text.words import can_cut, count

RNG = np.random.default_rng(11)
AMOUNTS = RNG.lognormal(8, 1, 60).round(2).tolist()


def day(*parts: int) -> float:
    return (datetime(*parts) - datetime(1970, 1, 1)).total_seconds() / 86_400  # type: ignore[arg-type]


def shown(*sides: list) -> list[str]:
    """What a column is called that holds these values on each side, beside a column of numbers."""
    tables = alike([table({"x": values, "beside": np.linspace(0, 1, len(values))}) for values in sides]).tables
    return [tables[0].columns["x"].shown, tables[0].columns["x"].why]


def values(tables: list[Table]) -> list[list[float | None]]:
    return [sorted(table.frame["x"].to_list(), key=lambda value: (value is None, value)) for table in tables]


@pytest.mark.parametrize(
    ("written", "layout", "when"),
    [
        ("2022-10-24 04:46", "ymd", day(2022, 10, 24, 4, 46)),
        ("2022-10-24T04:46:00+02:00", "ymd", day(2022, 10, 24, 2, 46)),
        ("2022/10/24 04:46:10.5 UTC", "ymd", day(2022, 10, 24, 4, 46, 10) + 0.5 / 86_400),
        ("10/24/2022 12:46 PM", "mdy", day(2022, 10, 24, 12, 46)),
        ("10/24/2022 12:46 am", "mdy", day(2022, 10, 24, 0, 46)),
        ("24/10/2022 23:59:59", "dmy", day(2022, 10, 24, 23, 59, 59)),
        ("24.10.2022", "dmy", day(2022, 10, 24)),
        ("24.10.98", "dmy", day(1998, 10, 24)),
        ("20221024", "ymd8", day(2022, 10, 24)),
        ("Mon, 24 Oct 2022 04:46:00 GMT", "day month year", day(2022, 10, 24, 4, 46)),
        ("October 24, 2022", "month day year", day(2022, 10, 24)),
        ("2022-10", "year month", day(2022, 10, 1)),
        ("4:30 PM", "clock", 16.5 / 24),
        ("2022-02-30", "ymd", None),
        ("13/24/2022", "mdy", None),
        ("10/24/2022 13:00 PM", "mdy", None),
        ("1.2.22", "dmy", None),
        ("20221301", "ymd8", None),
        ("2022-10-24 25:00", "ymd", None),
    ],
)
def test_times_are_the_moments_that_they_name(written, layout, when):
    (read,) = days(pl.Series([written]), [layout]).to_list()
    assert read == (None if when is None else pytest.approx(when, abs=1e-9))


@pytest.mark.parametrize(
    ("written", "number"),
    [
        (["$1,234.50", "$7.25", "$3"], [1234.5, 7.25, 3]),
        (["1 234,50", "7,25", "-3,00"], [1234.5, 7.25, -3]),
        (["1.234,50 €", "7,25 €"], [1234.5, 7.25]),
        (["12.3%", "4%"], [12.3, 4]),
        (["12.3%", "0.04"], [0.123, 0.04]),
        (["5 kg", "7.5 kg"], [5, 7.5]),
        (["(1,200.00)", "35.00"], [-1200, 35]),
        (["12,34,567", "1,000"], [1_234_567, 1000]),
        (["1.2k", "3M", "900"], [1200, 3e6, 900]),
        (["1'234.5", "12.5"], [1234.5, 12.5]),
    ],
)  # fmt: skip
def test_numbers_are_read_as_they_are_written(written, number):
    read = table({"x": written})
    assert read.kinds == {"x": "number"}
    assert sorted(read.frame["x"]) == pytest.approx(sorted(number))


@pytest.mark.parametrize(
    "words",
    [
        ["192.168.1.100", "10.0.0.12"],
        ["18-24", "25-34"],
        ["$5", "€7"],
        ["5 kg", "7 lb"],
        ["555 123 456", "555 987 654"],
        ["1.2.3", "1.10.4"],
        ["A12", "B7"],
        ["1,2,3", "2,3,4"],
    ],
)
def test_what_is_no_number_stays_a_word(words):
    assert table({"x": words * 10}).kinds == {"x": "category"}


class TestBothSides:
    def test_the_other_side_says_that_the_day_comes_first(self):
        first = [f"0{i % 9 + 1}/0{i % 7 + 1}/2022" for i in range(60)]
        second = [f"{i % 28 + 1:02}/0{i % 7 + 1}/2022" for i in range(60)]
        assert "could be" in shown(first)[1]
        assert shown(first, second)[0] == "time"
        assert shown(first, second)[1].startswith("day/month/year, as days above 12 show")

    def test_sides_may_write_the_same_days_in_their_own_ways(self):
        when = [datetime(2022, 1 + i % 12, 1 + i % 28) for i in range(60)]
        sides = [[f"{day:%d/%m/%Y}" for day in when], [f"{day:%m/%d/%Y}" for day in when]]
        tables = alike([table({"x": side, "beside": range(60)}) for side in sides]).tables
        assert "different ways" in tables[0].columns["x"].why
        assert values(tables)[0] == values(tables)[1]

    def test_sides_may_write_the_same_numbers_in_their_own_ways(self):
        sides = [
            [f"{amount:,.2f}" for amount in AMOUNTS],
            [f"{amount:_.2f}".replace(".", ",").replace("_", ".") for amount in AMOUNTS],
        ]
        tables = alike([table({"x": side, "beside": range(60)}) for side in sides]).tables
        assert values(tables)[0] == values(tables)[1] == pytest.approx(sorted(AMOUNTS))

    def test_a_table_with_decimal_commas_has_them_in_every_column(self):
        grouped = [f"{amount:,}".replace(",", ".") for amount in range(900, 100_000, 1650)]
        read = table({"x": grouped, "beside": [f"{i},5" for i in range(len(grouped))]})
        assert max(read.frame["x"]) == 99_900

    def test_a_point_before_three_digits_groups_thousands_where_whole_numbers_below_a_thousand_have_none(self):
        grouped = [f"{amount:,}".replace(",", ".") for amount in range(900, 100_000, 1650)]
        assert max(table({"x": grouped}).frame["x"]) == 99_900
        in_order = [f"{amount:,}".replace(",", ".") for amount in range(100, 100_000, 15)]  # the first values have no point
        assert max(table({"x": in_order}).frame["x"]) == max(table({"x": in_order[::-1]}).frame["x"]) == 99_985
        without = table({"x": [number for number in grouped if "." in number]})
        few = table({"x": grouped[:30]})  # three digits after each of 29 points may also be chance
        for doubtful in (without, few):
            assert max(doubtful.frame["x"]) <= 900
            assert doubtful.columns["x"].is_said and "could be groups of thousands" in doubtful.columns["x"].why
        assert max(table({"x": ["0.125", "7.250", "3"] * 20}).frame["x"]) == 7.25
        assert max(table({"x": ["1.125", "7.250", "3000"] * 20}).frame["x"]) == 3000

    def test_truth_is_truth_in_any_words(self):
        assert shown([True, False] * 20, [1, 0] * 20)[0] == "boolean"
        assert shown(["yes", "no"] * 20, ["0", "1"] * 20)[0] == "boolean"
        assert shown(["on", "off"] * 20, ["True", "False"] * 20)[0] == "boolean"
        assert shown(["m", "f"] * 20, ["f"] * 40)[0] == "category"
        assert shown([1, 0] * 20, [1, 0] * 20)[0] == "category"

    def test_money_of_two_currencies_is_compared_as_written_and_said(self):
        sides = [[f"{sign}{amount:,.2f}" for amount in AMOUNTS] for sign in "$€"]
        kind, why = shown(*sides)
        assert kind == "number" and why.startswith("written with '$' on one side and '€' on another")
        assert "one side" not in shown(sides[0], [f"{amount}" for amount in AMOUNTS])[1]

    def test_a_duration_is_a_number_of_days(self):
        from datetime import timedelta

        took = table({"took": [timedelta(hours=6 * i) for i in range(60)]}).columns["took"]
        assert (took.shown, took.why) == ("number", "durations, in days") and "1970" not in took.example

    def test_numbers_without_order_in_a_column_called_id_do_not_number_the_rows(self):
        sparse = RNG.choice(10**9, 60, replace=False).tolist()
        assert table({"id": sparse, "y": AMOUNTS}).columns["id"].why.startswith("whole numbers that never repeat")
        assert table({"id": list(range(60)), "y": AMOUNTS}).columns["id"].why == "it numbers the rows"

    def test_words_for_missing_numbers_are_said_once(self):
        sides = [
            table({"x": [None, *AMOUNTS[1:]], "y": AMOUNTS}),
            table({"x": ["NA", *map(str, AMOUNTS[1:])], "y": AMOUNTS}, "s"),
        ]
        joined = alike(sides)
        notes = [*joined.notes, *(note for side in joined.tables for note in side.notes)]
        assert [note for note in notes if "'NA'" in note] == ["s: column 'x': 1 value is missing, written as 'NA'"]

    def test_words_for_missing_are_missing_where_the_sides_differ(self):
        tables = alike([table({"x": ["a", None, "b"] * 20}), table({"x": ["a", "None", "b"] * 20})]).tables
        assert [side.frame["x"].null_count() for side in tables] == [20, 20]
        tables = alike([table({"x": ["a", "none", "b"] * 20}), table({"x": ["a", "none", "b"] * 20})]).tables
        assert [side.frame["x"].null_count() for side in tables] == [0, 0]

    @pytest.mark.parametrize(
        ("keys", "others", "is_key"),
        [
            ([f"C-{i}" for i in range(60)], [f"C-{i}" for i in range(60, 120)], True),
            ([f"p{i}@example.org" for i in range(60)], [f"q{i}@example.org" for i in range(60)], True),
            (RNG.integers(10**8, 10**9, 60).tolist(), RNG.integers(10**8, 10**9, 60).tolist(), True),
            (list(range(60)), list(range(60)), True),
            ([round(amount) for amount in AMOUNTS], [round(2 * amount) for amount in AMOUNTS], False),
            ([f"C-{i}" for i in range(60)], ["C-1", "C-2"] * 30, False),
        ],
    )
    def test_keys_are_known_by_what_both_sides_hold(self, keys, others, is_key):
        assert (shown(keys, others)[0] == "key") is is_key

    def test_a_name_that_only_ends_like_a_key_is_none(self):
        read = table({"paid": range(1, 41), "user_id": range(7, 47), "y": np.linspace(0, 1, 40)})
        assert [*read.kinds] == ["paid", "y"]


class TestSaidOtherwise:
    DATA = {"x": [f"0{i % 9 + 1}/0{i % 7 + 1}/2022" for i in range(60)], "code": [f"K{i}" for i in range(60)], "y": AMOUNTS}

    def test_the_user_is_right(self):
        first, second = (table(self.DATA, kinds={"x": kind}).frame["x"] for kind in ("time:dmy", "time:mdy"))
        assert first.to_list() != second.to_list()
        assert [*table(self.DATA, keys=["x"]).kinds] == ["y"]
        assert [*table(self.DATA, ignored=["y"], kinds={"code": "category"}).kinds] == ["x", "code"]

    @pytest.mark.parametrize(
        ("more", "why"),
        [
            ({"keys": ["z"]}, "no column 'z'"),
            ({"ignored": ["cod"]}, "did you mean 'code'"),
            ({"kinds": {"x": "date"}}, "must be one of"),
        ],
    )
    def test_what_is_not_there_is_refused(self, more, why):
        with pytest.raises(BadInput, match=why):
            table(self.DATA, **more)


def test_chats_of_either_writing_are_texts_by_role():
    chats = [
        [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}, {"from": "human", "value": "c"}],
        [{"from": "gpt", "value": "d"}],
        None,
    ]
    read = by_role(pl.DataFrame({"conversations": chats, "n": [1, 2, 3]}))
    assert read.to_dict(as_series=False) == {
        "conversations: gpt": ["b", "d", None], "conversations: human": ["a\nc", None, None], "n": [1, 2, 3],
    }  # fmt: skip


def test_long_tables_need_columns_that_are_there(tmp_path):
    import outcross

    long = pl.DataFrame({"who": ["a", "a", "b", "b"] * 10, "when": [1, 2] * 20, "x": np.linspace(0, 1, 40), "says": ["m"] * 40})
    for more, why in (
        ({"entity": "wh"}, "did you mean 'who'"),
        ({"time": "when"}, "--entity"),
        ({"entity": "who", "time": "says"}, "contains no times"),
        ({"entity": "who", "key": "who"}, "both used and left out"),
        ({"entity": "when", "time": "x", "ignore": "nothing"}, "no column 'nothing'"),
    ):
        with pytest.raises(BadInput, match=why):
            outcross.audit(long, reference=long, **more)
    with pytest.raises(BadInput, match="no series"):
        outcross.audit(
            long[:2].with_columns(who=pl.Series(["a", "b"])),
            reference=long.head(2).with_columns(who=pl.Series(["a", "b"])),
            entity="who",
        )


def test_a_plan_names_the_option_that_gave_a_kind_and_the_columns_that_are_missing(tmp_path):
    import outcross

    human = pl.DataFrame({"sex": ["m", "f"] * 30, "zip": ["a", "b", "c"] * 20, "says": ["x"] * 60, "y": AMOUNTS})
    plan = outcross.audit(human.drop("zip"), reference=human, groups=("sex",), text_column="says", plan=True)
    (columns,) = plan.columns.values()
    by_name = {column.column: column for column in columns}
    assert (by_name["sex"].why, by_name["sex"].change) == ("--groups names it", "leave sex out of --groups")
    assert (by_name["says"].why, by_name["says"].change) == ("--text-column names it", "leave says out of --text-column")
    assert [column.column for column in columns if column.is_missing] == ["zip"]
    human.write_csv(tmp_path / "human.csv")
    human.drop("zip").write_csv(tmp_path / "s.csv")
    words = ("audit", tmp_path / "s.csv", "--reference", tmp_path / "human.csv", "--aspects", "columns")
    assert "✗" in command(*words, "--plan").stdout and "missing in the synthetic data" in command(*words, "--plan").stdout
    said = command(*words).stdout
    assert "missing: zip (--plan" in said and "lost: Column zip is gone" in said


def test_the_plan_is_shown_and_nothing_is_audited(tmp_path):
    frame = pl.DataFrame({"id": range(60), "paid": [f"${amount:,.2f}" for amount in AMOUNTS], "sex": ["m", "f"] * 30})
    frame.write_csv(tmp_path / "a.csv")
    ended = command("audit", tmp_path / "a.csv", "--reference", tmp_path / "a.csv", "--plan")
    assert ended.returncode == 0
    assert all(word in ended.stdout for word in ("key", "paid", "written with '$'", "--kinds"))
    assert "Nothing is lost" not in ended.stdout


@pytest.mark.parametrize("text", ["今天天气很好，我们去公园散步。", "ภาษาไทยไม่มีเว้นวรรค"])
def test_texts_without_spaces_are_text_and_cut_where_the_library_is_installed(text):
    read = table({"says": [f"{text}{i}" for i in range(30)]})
    assert read.kinds == {"says": "text"}
    words = count([text]).spellings
    if can_cut():
        assert {"天气", "公园"} <= {*words} or {"ภาษา", "ไทย"} <= {*words}


def test_hostile_numbers_are_read_in_bounded_time():
    hostile = ["1" * 10_000, "1,1" * 5_000, "$" * 50, "-" * 5_000 + "1", "0" * 41, "9" * 400]
    assert decorated_numbers(pl.Series(hostile * 200), table({"x": ["$1"]}).forms["x"]).null_count() >= 800
