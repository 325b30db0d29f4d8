"""Small inputs that were read wrongly: each reads as the table of ../shared/cases says (its page names the situation)."""

from pathlib import Path

import polars as pl
import pytest

import outcross
from outcross.errors import GateFailed
from outcross.text.words import can_cut

CASES = Path(__file__).parent.parent.parent / "shared" / "cases"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="../shared/cases is not beside this checkout")


def path(name: str) -> str:
    """A case by its name: a file whose ending may be left out, or a folder."""
    candidates = [CASES / name, *(CASES / f"{name}{ending}" for ending in (".csv.gz", ".jsonl.gz"))]
    return str(next(candidate for candidate in candidates if candidate.exists()))


def audited(synthetic: str, reference: str, *aspects: str, **question) -> outcross.Audit:
    return outcross.audit(path(synthetic), reference=path(reference), aspects=aspects, **question)


def read_as(audit: outcross.Audit) -> dict[str, str]:
    return {column.column: column.kind for column in audit.columns}


def value(audit: outcross.Audit, metric: str, column: str = "") -> float:
    (number,) = (check.value for check in audit.every if (check.metric, check.column) == (metric, column))
    assert number is not None
    return number


def assert_gate_fails(audit: outcross.Audit) -> None:
    with pytest.raises(GateFailed):
        outcross.Audits({"": (audit,)}).check_gates(("any",))


@pytest.mark.parametrize("written", ["hm", "us12", "ymd8"])
def test_a_lost_year_is_seen_however_times_are_written(written):
    audit = audited(f"half_{written}", f"ref_{written}", "spread", "tails")
    assert read_as(audit)["visit"] == "time"
    assert {"spread", "tails"} <= {*audit.lost}
    assert value(audit, "variance", "visit") == pytest.approx(0.25, abs=0.01)
    assert_gate_fails(audit)


@pytest.mark.parametrize("written", ["usd", "thousands", "pct"])
def test_a_lost_half_of_incomes_is_seen_however_numbers_are_written(written):
    audit = audited(f"narrow_{written}", f"ref_{written}", "spread")
    assert read_as(audit)["income"] == "number"
    assert "spread" in audit.lost
    assert_gate_fails(audit)
    plain = {}
    for side in (f"narrow_{written}", f"ref_{written}"):
        frame = pl.read_csv(path(side), infer_schema=False)
        plain[side] = frame.with_columns(pl.col("income").str.replace_all(r"[$,%]", "").cast(pl.Float64))
    of_plain = outcross.audit(plain[f"narrow_{written}"], reference=plain[f"ref_{written}"], aspects=("spread",))
    assert value(audit, "variance", "income") == value(of_plain, "variance", "income")


def test_semicolons_and_decimal_commas_are_read_where_a_header_holds_a_comma():
    audit = audited("cut_eu_header", "ref_eu_header", "spread")
    assert read_as(audit) == {"age": "number", "income, EUR": "number", "hours": "number", "region": "category", "sex": "category"}
    assert "spread" in audit.lost


def test_whole_numbers_and_fractions_are_numbers_on_both_sides():
    audit = audited("fewvalues_syn_float", "fewvalues_ref", "tails", "coverage")
    assert read_as(audit)["rooms"] == "number"
    assert not {check.metric for check in audit.every if check.column == "rooms"} & {"unseen"}
    assert "coverage" not in {*audit.lost, *audit.invented}


@pytest.mark.parametrize("ending", ["csv.gz", "parquet"])
def test_true_and_one_are_the_same(ending):
    audit = audited(f"syn_bool01.{ending}", f"ref_bool.{ending}", "tails", "coverage", "structure")
    assert read_as(audit)["active"] == "boolean"
    assert audit.lost == audit.invented == []


@pytest.mark.parametrize("word", ["nan", "None"])
def test_a_missing_group_may_be_written_in_words(word):
    audit = audited(f"groupmissing_{word}", "groupmissing_ref", "structure", "coverage", "groups", "tails", groups=("sex",))
    assert audit.lost == audit.invented == []
    assert any(repr(word) in column.why for column in audit.columns if column.column == "sex")


def test_chats_are_texts_by_role():
    audit = audited("syn_messages", "ref_messages", "copying")
    assert read_as(audit) | {"messages: system": ""} == {
        "messages: user": "text", "messages: assistant": "text", "messages: system": "",
    }  # fmt: skip
    assert any(check.verdict == "kept" for check in audit.every)


@pytest.mark.parametrize("keyed", ["uuid", "int", "none"])
def test_keys_do_not_hide_copies(keyed):
    audit = audited(f"part_{keyed}", f"ref_{keyed}", "copying")
    assert "customer_id" not in audit.kinds
    assert keyed == "none" or read_as(audit)["customer_id"] == "key"
    assert value(audit, "exact") == pytest.approx(0.1)
    assert_gate_fails(audit)


def test_an_index_that_begins_anew_is_left_out_on_both_sides():
    audit = audited("syn_index", "ref_index3", "spread", "tails", "structure")
    assert read_as(audit)["Unnamed: 0"] == "key"
    assert "Unnamed: 0" not in audit.kinds
    assert audit.lost == audit.invented == []


def test_lost_words_of_a_text_that_reads_from_right_to_left():
    lost, honest = (audited(name, "ref_ar", "tails", "diversity") for name in ("lost_ar", "syn_ar"))
    assert lost.kinds == {"text": "text"}
    assert {"tails", "diversity"} <= {*lost.lost}
    assert honest.lost == honest.invented == []


@pytest.mark.skipif(not can_cut(), reason="icu4py, which cuts texts without spaces, is not installed")
def test_lost_words_of_a_text_without_spaces():
    lost, honest = (audited(name, "ref_zh", "tails", "diversity") for name in ("lost_zh", "syn_zh"))
    assert lost.kinds == {"text": "text"}
    assert {"tails", "diversity"} <= {*lost.lost}
    assert honest.lost == honest.invented == []


@pytest.mark.skipif(can_cut(), reason="icu4py is installed")
def test_words_of_a_text_without_spaces_need_a_library():
    audit = audited("lost_zh", "ref_zh", "tails", "text_quality")
    assert audit.kinds == {"text": "text"}
    whys = {check.why for check in audit.every if check.column == "text"}
    assert {check.verdict for check in audit.every} == {"not_applicable"}
    assert any("pip install 'outcross[words]'" in why for why in whys)


def test_folders_that_datasets_saved_are_read():
    audit = audited("hf_syn", "hf_ref", "spread")
    assert audit.rows == {"synthetic": 800, "reference": 800}
    assert audit.kinds["age"] == "number"
    assert audit.lost == []


def test_utf16_is_read_and_named():
    audit = audited("utf16", "utf16_ref", "tails")
    assert any("UTF-16" in note for note in audit.notes)
    assert "nörd" in " ".join(check.why for check in audit.every)


class TestEntities:
    def test_series_dealt_between_entities_have_lost_their_structure(self):
        dealt = audited("entities_shuffled", "entities_ref", "structure", entity="patient_id", time="hour")
        honest = audited("entities_syn", "entities_ref", "structure", entity="patient_id", time="hour")
        assert read_as(dealt) == {
            "patient_id": "entity", "hour": "time", "bpm": "series", "bpm (mean)": "number", "sex": "category",
        }  # fmt: skip
        assert dealt.rows == {"synthetic": 150, "reference": 150}
        assert "structure" in dealt.lost
        assert honest.lost == honest.invented == []

    def test_entities_that_the_sides_do_not_share_are_a_key(self):
        audit = audited("entities_syn", "entities_ref", "spread")
        (column,) = (column for column in audit.columns if column.column == "patient_id")
        assert column.kind == "key"
        assert "--entity patient_id" in column.why


def test_a_column_that_vanished_is_lost():
    audit = audited("vanished_dropped", "vanished_ref", "structure")
    assert any(column.column == "region" and "lacks it" in column.why for column in audit.columns)
    assert any(check.column == "region" and check.verdict == "lost" for check in audit.every)
    assert_gate_fails(audit)
