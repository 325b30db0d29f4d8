"""What one group of writers has lost is found in that group, and nothing is found in a group that has lost nothing.

The groups are languages (Tatoeba, a thousand sentences each), looked for in the folder OUTCROSS_DATA, by default shared/data beside the repository; tests that need
them skip without.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import binom

import outcross
from outcross import audits
from outcross.cli import main
from outcross.data.tables import table
from outcross.measures import Evidence
from outcross.measures.lexical_diversity import LexicalDiversity
from outcross.measures.rare_words import RareWords
from outcross.measures.text_quality import TextQuality

DATA = Path(os.environ.get("OUTCROSS_DATA") or Path(__file__).parents[2] / "shared" / "data")
SEEDS = (0, 1)
SURE = 1e-5
"""How seldom a check whose p-values are honest fails here."""
OF_TEXT = ("tails", "diversity", "text_quality")
LANGUAGES = ("deu", "fra", "spa", "hun")
HOSTILE = {"deu": "<script>alert(1)</script>", "fra": "a, b=c\x1b[31m", "spa": "{{ 7 * 7 }}|`", "hun": "\u202ehun"}
"""What the languages are called where their names are hostile."""


@pytest.fixture(scope="module")
def sentences():
    path = DATA / "text" / "multilingual" / "tatoeba_112.parquet"
    if not path.exists():
        pytest.skip(f"no {path}; set OUTCROSS_DATA")
    return pl.read_parquet(path).filter(pl.col("lang").is_in(LANGUAGES)).select("text", "lang").sort("lang", "text")


def dealt(frame, rng):
    """Two random halves."""
    order = rng.permutation(frame.height)
    return frame[order[: frame.height // 2]], frame[order[frame.height // 2 :]]


def with_half_the_words(texts, rng):
    """Words in random pairs, of which the rarer one gives way to the other."""
    counts = Counter(word for text in texts for word in text.split())
    shuffled = rng.permutation(sorted(counts)).tolist()
    pairs = [sorted(two, key=counts.__getitem__) for two in zip(shuffled[::2], shuffled[1::2], strict=False)]
    said = {word: word for word in counts} | dict(pairs)
    return [" ".join(said[word] for word in text.split()) for text in texts]


def halved_in(frame, language, rng):
    """One language with half of its words; of the others nothing changes."""
    own, others = frame.filter(pl.col("lang") == language), frame.filter(pl.col("lang") != language)
    return pl.concat([own.with_columns(pl.Series("text", with_half_the_words(own["text"].to_list(), rng))), others])


@pytest.fixture(scope="module", params=SEEDS)
def damaged(request, sentences):
    rng = np.random.default_rng([20_26, 11, request.param])
    human, synthetic = dealt(sentences.with_columns(pl.col("lang").replace(HOSTILE)), rng)
    sets = {"honest": synthetic, "halved": halved_in(synthetic, HOSTILE["deu"], rng)}
    audited = audits(sets, reference=human, text_column="text", groups=("lang",), aspects=OF_TEXT)
    return {audit.name: audit for audit in audited}


def test_groups_that_have_lost_nothing_are_said_to_have_lost_nothing(damaged):
    assert damaged["honest"].lost == []
    groups = {check.group for check in damaged["honest"].every if check.value is not None}
    assert groups == {"", *(f"lang={name}" for name in HOSTILE.values())}


def test_a_vocabulary_halved_in_one_group_is_found_in_that_group_and_in_no_other(damaged):
    lost = [check for check in damaged["halved"].of("lost") if check.group]
    assert {check.group for check in lost} == {f"lang={HOSTILE['deu']}"}
    assert "vocabulary_ratio" in {check.metric for check in lost}


def test_a_group_is_held_against_as_much_text_of_its_own(damaged, sentences):
    sizes = {
        check.group: int(re.search(r"at ([\d,]+) words", check.why)[1].replace(",", ""))
        for check in damaged["honest"].every
        if check.metric == "vocabulary_ratio"
    }
    whole = sizes.pop("")
    assert len(sizes) == 4 and 0.8 * whole < sum(sizes.values()) < whole


def test_hostile_groups_do_nothing_in_a_report(damaged, tmp_path):
    audit = damaged["halved"]
    page = audit.report(tmp_path / "page.html").read_text()
    for shown in (page, audit.markdown(), audit._repr_html_()):
        assert "alert(1)" in shown and "<script>alert" not in shown and "\x1b" not in shown and "49|" not in shown


def test_the_whole_is_told_as_without_groups(damaged, sentences):
    human, synthetic = dealt(sentences, np.random.default_rng(1))
    audited = [
        outcross.audit(synthetic, reference=human, text_column="text", kinds={"lang": "category"}, groups=groups, aspects=OF_TEXT)
        for groups in ((), ("lang",))
    ]
    numbers = [[(c.metric, c.column, c.at, c.value, c.low, c.p) for c in audit.every if not c.group] for audit in audited]
    assert numbers[0] == numbers[1]


def test_groups_with_too_little_text_say_why_they_are_not_compared():
    def frame(start):
        many = [f"a plain text about thing {i}, said with {i % 7} words more" for i in range(start, start + 200)]
        return {"text": [*many, "so few", "and fewer", None], "who": [*["many"] * 200, "few", "few", "none"]}

    audit = outcross.audit(frame(0), reference=frame(500), text_column="text", groups="who", aspects=OF_TEXT)
    for group, texts in (("who=few", 2), ("who=none", 0)):
        settings = {
            (check.aspect, check.why) for check in audit.of("not_applicable") if check.group == group and check.column == "text"
        }
        why = f"{texts} synthetic and {texts} human texts, but the language of a group is compared only from 30 per side on"
        assert settings == {(aspect, why) for aspect in OF_TEXT}
    json.dumps(audit.plain(), allow_nan=False)


def test_groups_that_are_left_out_are_counted():
    frame = {"text": [f"text number {i} of so many others" for i in range(400)], "who": [f"w{i % 5}" for i in range(400)]}
    for measure in ("rare_words", "lexical_diversity", "text_quality"):
        audit = outcross.audit(
            frame, reference=frame, text_column="text", groups="who", aspects=({"kind": measure, "max_groups": 2},)
        )
        assert {check.group for check in audit.every if check.column == "text"} == {"", "who=w0", "who=w1"}
        assert "the 3 smallest of 5 groups are left out" in {check.why for check in audit.every}


def test_a_column_of_text_can_name_the_groups():
    frame = {"text": [f"text number {i % 3}" for i in range(300)]}
    audit = outcross.audit(frame, reference=frame, text_column="text", groups="text", aspects=OF_TEXT)
    assert audit.lost == []


def test_groups_of_text_are_told_on_the_command_line(tmp_path, capsys, sentences):
    rng = np.random.default_rng([20_26, 12])
    human, synthetic = dealt(sentences, rng)
    halved_in(synthetic, "fra", rng).write_parquet(tmp_path / "halved.parquet")
    human.write_ndjson(tmp_path / "human.jsonl")
    with pytest.raises(SystemExit) as stopped:
        data = ["audit", str(tmp_path / "halved.parquet"), "--reference", str(tmp_path / "human.jsonl"), "--text-column", "text"]
        main([*data, "--groups", "lang", "--aspects", ",".join(OF_TEXT), "--out", str(tmp_path / "out"), "--fail-on", "diversity"])
    assert stopped.value.code == 1
    assert "among fra (lang)" in " ".join(capsys.readouterr().out.split())
    assert "lang=fra" in (tmp_path / "out" / "report.html").read_text()


def test_real_groups_against_real_groups_look_bad_no_more_often_than_they_say(sentences):
    """One-sided p-values of every check inside a language, over halvings of two: as often at most α as α of them may be."""
    two, p_of_check = sentences.filter(pl.col("lang").is_in(["spa", "hun"])), defaultdict(list)
    for repeat in range(24):
        rng = np.random.default_rng([20_26, 13, repeat])
        sides = [table(side, "text", kinds={"text": "text", "lang": "category"}) for side in dealt(two, rng)]
        compared = Evidence(drawn=sides[0], reference=sides[1], groups=("lang",))
        quality = TextQuality(attributes=("characters", "perplexity"))(compared, rng)
        for finding in (*RareWords()(compared, rng), *LexicalDiversity()(compared, rng), *quality):
            if finding.null is not None and finding.group:
                p_of_check[
                    finding.measure, finding.at if finding.measure in ("rare_words", "distinct_n", "spread") else "", finding.group
                ].append(finding.null.p)
    assert {"rare_words", "vocabulary_ratio", "self_bleu", "spread", "surprise", "unlikely"} <= {check for check, *_ in p_of_check}
    often = {
        (*key, level): float(np.mean(np.array(p) <= level))
        for key, p in p_of_check.items()
        for level in (0.01, 0.05, 0.1)
        if (np.array(p) <= level).sum() > binom.ppf(1 - SURE, len(p), level)
    }
    assert often == {}
