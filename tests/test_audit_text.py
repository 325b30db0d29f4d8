"""The audit of text finds what was taken away from real text, in the aspect it was taken from, and nothing where nothing was.

The data are looked for in the folder OUTCROSS_DATA, by default shared/data beside the repository; tests that need them skip without.
"""

from __future__ import annotations

import gzip
import json
import math
import os
from collections import Counter, defaultdict
from pathlib import Path

import conftest
import numpy as np
import polars as pl
import pytest

import outcross
from outcross import audits
from outcross.attributes.perplexity import Perplexity
from outcross.cli import main
from outcross.data.tables import table
from outcross.errors import BadInput
from outcross.estimate import Reading
from outcross.measures import Evidence
from outcross.measures.lexical_diversity import LexicalDiversity
from outcross.measures.rare_words import NAMED, RareWords
from outcross.measures.repeated_texts import RepeatedTexts
from outcross.measures.text_quality import TextQuality
from outcross.measures.verbatim_copies import VerbatimCopies
from outcross.text.copies import contained, verbatim_elsewhere
from outcross.text.texts import texts
from outcross.verbs.audit.generations import lines

DATA = Path(os.environ.get("OUTCROSS_DATA") or Path(__file__).parents[2] / "shared" / "data")
SEEDS = (0,)
"""`make bench` takes thirty."""
PAIRS = 80
"""Of so many pairs a check that looks bad four times as often as its 5 % is found in 97 % of such studies, one that does three times as often as its 10 % too."""
OF_TEXT = ("tails", "copying", "diversity", "text_quality")
HTML = "<script>alert(1)</script> \x07\x1b[31m <b>qzx wvk</b> \x00 &amp; xkcdq zzyzx brrr ftagn &lt;p&gt; qwrtz"


@pytest.fixture(scope="module")
def paragraphs():
    """Paragraphs of Wikipedia (WikiText-2), without headings."""
    lines = []
    for name in ("test", "valid"):
        path = DATA / "text" / "wikitext2" / f"{name}.txt.gz"
        if not path.exists():
            pytest.skip(f"no {path}; set OUTCROSS_DATA")
        read = map(str.strip, gzip.decompress(path.read_bytes()).decode().split("\n"))
        lines += [line for line in read if len(line) > 100 and not line.startswith("=")]
    return np.array(lines, dtype=object)


def without_rare_words(synthetic, human, rng):
    """Words that the human set has at most three times give way to common ones."""
    counts = Counter(word for text in human for word in text.split())
    common = [word for word, _ in counts.most_common(200)]
    return [" ".join(word if counts[word] > 3 else common[rng.integers(200)] for word in text.split()) for text in synthetic]


def said_again(synthetic, human, rng):
    """A fifth of the texts, each five times, with another last word."""
    return [f"{text} {word}" for text in synthetic[: len(synthetic) // 5] for word in ("so", "too", "then", "now", "thus")]


def only_what_is_likely(synthetic, human, rng):
    """Of human texts the half that another model of human text finds least surprising, twice the number drawn."""
    surprise = Perplexity().fit(human)(synthetic)
    likely = np.argsort(surprise)[: len(synthetic) // 2]
    return [synthetic[i] for i in likely.tolist()]


def copied(synthetic, human, rng):
    """A tenth of the texts are human ones, cut at the ends."""
    tenth = len(synthetic) // 10
    return [*synthetic[tenth:], *(" ".join(text.split()[1:-1]) for text in human[:tenth])]


def marked_up(synthetic, human, rng):
    """A fifth of the texts are HTML and control characters."""
    fifth = len(synthetic) // 5
    return [*synthetic[fifth:], *(f"{HTML} {rng.integers(1 << 30)}" for _ in range(fifth))]


DAMAGE = {
    "tails": without_rare_words, "diversity": said_again, "text_quality": only_what_is_likely, "copying": copied,
}  # fmt: skip
"""Each damage by the aspect in which something is lost."""


@pytest.fixture(scope="module", params=SEEDS)
def texts_of_people(request, paragraphs):
    """Human texts, as many that pass for synthetic ones, and the stream that damages these."""
    rng = np.random.default_rng([20_26, request.param])
    order = rng.permutation(len(paragraphs))
    human, synthetic = (paragraphs[order[i * 1400 : (i + 1) * 1400]].tolist() for i in (0, 1))
    return human, synthetic, rng


@pytest.fixture(scope="module")
def damaged(texts_of_people):
    human, synthetic, rng = texts_of_people
    sets = {"honest": synthetic, "invented": marked_up(synthetic, human, rng)}
    sets |= {aspect: make(synthetic, human, rng) for aspect, make in DAMAGE.items()}
    audited = audits(
        {name: {"text": texts_of_set} for name, texts_of_set in sets.items()},
        reference={"text": human},
        aspects=OF_TEXT,
        text_column="text",
    )
    return {audit.name: audit for audit in audited}


def test_an_honest_sample_of_text_has_lost_nothing(damaged):
    assert damaged["honest"].lost == [] and damaged["honest"].invented == []


@pytest.mark.parametrize("aspect", DAMAGE)
def test_each_loss_planted_in_text_is_found_in_its_aspect(damaged, aspect):
    audit = damaged[aspect]
    assert aspect in (audit.invented if aspect == "copying" else audit.lost)


def test_copies_of_the_reference_are_pointed_at(damaged):
    # A copy read by a model of the half that holds its original is less surprising than any human text: text_quality says so too.
    assert damaged["copying"].lost == [] and "copying" in damaged["copying"].invented
    assert 120 <= damaged["copying"].pointed["synthetic"].height <= 145


def test_markup_is_invented_and_does_nothing_in_a_report(damaged, tmp_path):
    audit = damaged["invented"]
    assert "text_quality" in audit.invented
    page = audit.report(tmp_path / "page.html").read_text()
    assert len(page) < 1_000_000
    for shown in (page, audit.markdown(), audit._repr_html_()):
        assert "<script>alert" not in shown and "\x1b" not in shown and "\x07" not in shown


def test_marked_up_records_that_are_pointed_at_are_escaped(tmp_path, capsys):
    human = [f"{HTML} one two three four five six seven eight nine {i}" for i in range(60)]
    audit = outcross.audit({"text": human}, reference={"text": human[::-1]}, text_column="text", aspects=OF_TEXT)
    page = audit.report(tmp_path / "page.html").read_text()
    assert "&lt;script&gt;" in page and "<script>alert" not in page and "\x1b" not in page and "\x07" not in page


def test_rare_words_that_are_gone_are_named(damaged, texts_of_people):
    """A word that half of the human texts say twice, and the other half once at least, is said three times at least."""
    (check,) = (check for check in damaged["tails"].of("lost") if check.metric == "rare_words" and check.at == "2 times")
    human = texts(texts_of_people[0]).words
    counts = dict(zip(human.spellings, human.counts.tolist(), strict=True))
    missing = check.why.partition(";")[0].removeprefix("missing, such as ").split(", ")
    assert len(missing) == NAMED and min(counts[word] for word in missing) >= 3


def test_identical_text_has_lost_nothing_and_copies_all(paragraphs):
    human = {"text": paragraphs[:500].tolist()}
    audit = outcross.audit(human, reference=human, text_column="text", aspects=OF_TEXT)
    assert audit.lost == [] and audit.invented == ["copying"]


def test_the_order_of_texts_changes_nothing(paragraphs):
    human, synthetic = paragraphs[:300].tolist(), paragraphs[300:600].tolist()
    checks = [
        outcross.audit({"text": drawn}, reference={"text": reference}, text_column="text", aspects=OF_TEXT).checks
        for drawn, reference in ((synthetic, human), (synthetic[::-1], human[::-1]))
    ]
    assert checks[0].equals(checks[1])


def pair(some, rng, size, documents=None, holdout=False):
    """Sets of texts of one law: fresh ones a side, or whole documents."""
    if documents is None:
        order = rng.permutation(len(some))
        rows = [order[i * size : (i + 1) * size] for i in range(2 + holdout)]
        frames = [{"text": some[row].tolist()} for row in rows]
    else:
        dealt = np.array_split(rng.permutation(documents.max() + 1), 2 + holdout)
        rows = [np.flatnonzero(np.isin(documents, numbers)) for numbers in dealt]
        frames = [{"text": some[row].tolist(), "_document": documents[row].tolist()} for row in rows]
    synthetic, reference, *more = (table(frame, "text", kinds={"text": "text"}) for frame in frames)
    return Evidence(drawn=synthetic, reference=reference, holdout=more[0] if more else None)


def looked_at(compared, rng):
    for measure in (RareWords(), LexicalDiversity(), VerbatimCopies(), RepeatedTexts()):
        yield from measure(compared, rng)
    if not compared.has("holdout"):
        yield from TextQuality(attributes=("characters", "perplexity"))(compared, rng)


def p_values(some, repeats, size, stream, **more):
    """P-values of every check over fresh pairs, (repeats,) each."""
    p_of_check = defaultdict(list)
    for repeat in range(repeats):
        rng = np.random.default_rng([*stream, repeat])
        for finding in looked_at(pair(some, rng, size, **more), rng):
            if isinstance(finding, Reading) and finding.null is not None:
                p_of_check[
                    finding.measure, finding.at if finding.measure in ("rare_words", "distinct_n", "ends", "spread") else ""
                ].append(finding.null.p)
    return {key: np.array(p) for key, p in p_of_check.items()}


def too_small_too_often(p_of_check):
    """Checks with P(p ≤ α) above α + 3 standard errors: of 40 checks at three levels one in seven runs would name one by chance, the stream is fixed."""
    return {
        (*key, level): float((p <= level).mean())
        for key, p in p_of_check.items()
        for level in (0.01, 0.05, 0.1)
        if (p <= level).mean() > level + 3 * math.sqrt(level * (1 - level) / p.size)
    }


@pytest.fixture(scope="module")
def tiny_run(tmp_path_factory):
    """A run of two arms, read back from its folder."""
    folder = tmp_path_factory.mktemp("run")
    ended = conftest.outcross(
        "run",
        conftest.write_tiny(folder, more=conftest.TWO_ARMS),
        "--out",
        folder / "tiny",
        "--workers",
        1,
        "--quiet",
        **conftest.WITHOUT_CHARTS,
    )
    assert ended.returncode == 0, ended.stderr
    return folder / "tiny"


@pytest.fixture(scope="module")
def sentences():
    """Sentences of six languages (Tatoeba)."""
    path = DATA / "text" / "multilingual" / "tatoeba_112.parquet"
    if not path.exists():
        pytest.skip(f"no {path}; set OUTCROSS_DATA")
    frame = pl.read_parquet(path).filter(pl.col("lang").is_in(["deu", "fra", "spa", "rus", "jpn", "hun"]))
    return frame["text"].to_numpy()


@pytest.mark.parametrize("holdout", [False, True])
def test_real_text_against_real_text_looks_bad_no_more_often_than_it_says(sentences, holdout):
    p_of_check = p_values(sentences, PAIRS, 150, [20_26, 1 + holdout], holdout=holdout)
    assert {"rare_words", "vocabulary_ratio", "verbatim"} <= {check for check, _ in p_of_check}
    assert holdout or {"spread", "ends", "unlikely", "surprise"} <= {check for check, _ in p_of_check}
    assert too_small_too_often(p_of_check) == {}


def test_documents_are_what_is_independent_where_they_are_known(sentences):
    """Documents of ten sentences of one language: sentences alone would look far apart."""
    some = sentences[::3][:1200]
    documents = np.repeat(np.arange(120), 10)
    p_of_check = p_values(some, PAIRS, 0, [20_26, 3], documents=documents)
    assert too_small_too_often(p_of_check) == {}


def test_runs_that_stand_in_another_document_are_found_there():
    given = ["a b c d e f g h i", "x a b c d e f g h", "k l m n o p q r", ""]
    apart = verbatim_elsewhere(texts(given).words, np.arange(4)).share
    together = verbatim_elsewhere(texts(given).words, np.array([0, 0, 1, 2])).share
    assert apart[:3].tolist() == [0.5, 0.5, 0.0] and together[:3].tolist() == [0.0, 0.0, 0.0] and math.isnan(apart[3])
    assert apart[0] == contained(given[:1], given[1:])[0]


HOSTILE = {
    "empty": ["", " ", "\n"] * 20,
    "one": ["one record alone with a few words in it"],
    "a_long_line": ["word " * 2_000_000, *(f"one more text of a few words, number {i}" for i in range(30))],
    "no_words": ["…", "123 456", "!!! ???", "—"] * 20,
    "scripts": ["これは短い文です。", "这是一个句子", "هذه جملة قصيرة", "यह एक वाक्य है", "นี่คือประโยค", "e\u0301te\u0301 \U0001f600"]
    * 20,
    "surrogates": ["a \ufffd b", "\u202ereversed\u202c", "\u200b\u200b", "zalgo" + "\u0301" * 500] * 20,
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_text_is_audited_either_way_round(case):
    plain = {"text": [f"a plain text about thing {i}, said with {i % 7} words more" for i in range(80)]}
    hostile = {"text": HOSTILE[case]}
    for synthetic, reference in ((hostile, plain), (plain, hostile), (hostile, hostile)):
        if case == "empty" and synthetic is hostile:
            with pytest.raises(BadInput, match="column 'text' is left out: it has no value"):
                outcross.audit(synthetic, reference=reference, text_column="text")
            continue
        audit = outcross.audit(synthetic, reference=reference, text_column="text")
        assert all(check.why for check in audit.of("not_applicable"))
        json.dumps(audit.plain(), allow_nan=False)


def test_text_beside_other_columns_is_audited_too(paragraphs):
    def frame(some, start):
        return {"text": some.tolist(), "stars": [i % 5 + 0.5 for i in range(start, start + len(some))]}

    human, other = paragraphs[::9], paragraphs[1::9]
    audit = outcross.audit(
        frame(np.concatenate([other[:200], human[200:]]), 0), reference=frame(human, 1), text_column="text", aspects=OF_TEXT
    )
    invented = {check.metric for check in audit.of("invented")}
    assert "verbatim" in invented and "exact" not in invented  # copied texts, with other stars


def test_a_text_file_is_audited_line_by_line(tmp_path, paragraphs):
    for name, some in (("human", paragraphs[::9]), ("synthetic", paragraphs[1::9])):
        (tmp_path / f"{name}.txt").write_text("\n".join(some), encoding="utf-8")
    audit = outcross.audit(tmp_path / "synthetic.txt", reference=tmp_path / "human.txt", aspects=OF_TEXT)
    assert audit.kinds == {"text": "text"} and audit.lost == []


def test_the_generations_of_a_run_are_audited_against_its_human_text(tiny_run, capsys):
    (arm, *_) = lines(tiny_run)
    assert list(arm.sets) == [f"g{g}" for g in range(len(arm.sets))] and len(arm.sets) > 1
    with pytest.raises(SystemExit) as stopped:
        main(["audit", str(tiny_run), "--arm", arm.name, "--json", "--aspects", ",".join(OF_TEXT)])
    stored = json.loads(capsys.readouterr().out)
    assert stopped.value.code in (0, None)
    assert [entry["arm"] for entry in stored["arms"]] == [arm.name]
    assert {onset["aspect"] for onset in stored["arms"][0]["onsets"]} == set(OF_TEXT)


def test_a_run_brings_its_own_human_data(tiny_run, capsys):
    with pytest.raises(SystemExit):
        main(["audit", str(tiny_run), "--reference", "human.csv"])
    assert "has its own human data" in capsys.readouterr().err
    with pytest.raises(BadInput, match="has no arm 'replac'; did you mean 'replace'"):
        lines(tiny_run, "replac")


@pytest.mark.parametrize("said", ["", "1 2", "a", "\u0301"])
def test_texts_with_hardly_a_word_are_audited(said):
    frame = {"text": [said] * 80, "x": np.arange(80.0).tolist()}
    for synthetic, human in ((frame, frame), ({**frame, "text": ["some words of people"] * 80}, frame)):
        audit = outcross.audit(synthetic, reference=human, text_column="text", aspects=("tails", "diversity", "copying"))
        assert all(check.value is not None or check.why for check in audit.every)
