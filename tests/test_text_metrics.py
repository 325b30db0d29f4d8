"""What the metrics of text read: counted by hand on tiny texts, and promised on any."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
import unicodedata
from dataclasses import dataclass

import numpy as np
import polars
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reading_frames import with_nulls

import outcross
from outcross.data import HUMAN, Human, Origin, Pool, Training, part_of
from outcross.data.records import blocks
from outcross.estimate import NotApplicable, Reading
from outcross.measures import MEASURES, Evidence, measure, pages_of_runs
from outcross.measures.held_out import HeldOut, nats
from outcross.measures.lexical_diversity import LexicalDiversity
from outcross.measures.likelihood import GeneratedPerplexity
from outcross.measures.next_tokens import NextTokens
from outcross.measures.of_texts import OfTexts
from outcross.measures.prompt_copying import PromptCopying
from outcross.measures.rare_words import RareWords
from outcross.measures.text_groups import TextGroups
from outcross.measures.verbatim_copies import TrainingCopies, VerbatimCopies
from outcross.text.lexicon import Sample
from outcross.text.repetition import repetition, repetition_of_each
from outcross.text.words import SPACELESS, UNSPACED, can_cut, count, inner, spoken, words

pytestmark = pytest.mark.usefixtures("without_charts")

TEXT = [name for name in MEASURES if "text" in measure(name).needs]
BLOCK = 16
ENDLESS = math.log(1 - math.exp(-1))


@dataclass(frozen=True, eq=False)
class Geometric:
    """Tokens 0, 1, 2 … are independent with ln p(t) = ln(1 - 1/e) - t · slope."""

    slope: float = 1.0

    def log_prob(self, text):
        return (math.log(1 - math.exp(-self.slope)) - self.slope * text.tokens).sum(axis=1)

    def next_log_prob(self, text):
        """The same law, of the first forty tokens."""
        law = -self.slope * np.arange(40)
        return np.tile(law - np.log(np.exp(law).sum()), (len(text), 1))


def text(*lines, document=None, prompt=None, group=None, tokens=None, closed=True):
    """Blocks of these words; «closed» ones stand between two pieces that are dropped as block ends."""
    lines = [f"( {line} )" if closed else line for line in lines]
    if tokens is None:
        padded = [line.encode()[:BLOCK].ljust(BLOCK, b"\0") for line in lines]
        tokens = np.frombuffer(b"".join(padded), dtype=np.uint8).reshape(-1, BLOCK) / 32
    n = len(lines)
    return blocks(
        np.asarray(tokens, dtype=np.int32).reshape(n, -1),
        lines,
        np.array([len(line.encode()) for line in lines], dtype=int),
        document=np.arange(n) if document is None else np.array(document),
        prompt=np.arange(n) if prompt is None else np.array(prompt),
        group=[""] * n if group is None else group,
    )


def evidence(drawn, training, reference=None, holdout=None, learned=None, model=None, **more):
    parts = {
        name: part_of(HUMAN, records)
        for name, records in {"reference": reference, "holdout": holdout, **more}.items()
        if records is not None
    }
    human = Human(training=part_of(HUMAN, training), **parts)
    written = part_of(Origin("model"), drawn)
    learned = part_of(HUMAN, training if learned is None else learned)
    model = model or Geometric()
    return Evidence(drawn=written, kept=written, training=Training(Pool((learned,))), human=human, model=model, first_model=model)


def read(metric, compared, seed=0):
    return with_nulls(reading for reading in metric.of_run(compared, np.random.default_rng(seed)) if isinstance(reading, Reading))


def read_all(compared, seed=0):
    settings = {}
    for name in TEXT:
        try:
            settings |= read(measure(name)(), compared, seed)
        except NotApplicable as why:
            assert str(why)
    return settings


def value(by_place, metric, at=""):
    reading = by_place[metric, at]
    assert reading.estimate is not None, reading.note
    return reading.estimate.value


# Words


def test_a_word_is_letters_marks_and_digits_with_apostrophes_inside_in_lower_case():
    assert count(["The DOG's 2nd walk, 'quoted' x_y – 1,847 naïve"]).spellings == (
        "the",
        "dog's",
        "2nd",
        "walk",
        "quoted",
        "x",
        "y",
        "naïve",
    )
    assert count(["हिन्दी में", "мир שלום"]).spellings == ("हिन्दी", "में", "мир", "שלום")


def test_every_character_is_a_letter_of_a_word_as_unicode_says():
    """All characters of Unicode 3.2, whose categories no later version takes away, between two letters."""
    signs = [sign for sign in map(chr, range(0x110000)) if unicodedata.ucd_3_2_0.category(sign)[0] not in "C"]
    assert len(signs) > 90_000
    if can_cut():  # those of scripts without spaces are cut by a dictionary
        signs = polars.Series(signs).filter(~polars.Series(signs).str.contains(SPACELESS)).to_list()
    for sign, runs in zip(signs, spoken([f"a{sign}b" for sign in signs]).to_list(), strict=True):
        if re.match(f"[{UNSPACED}]", sign):
            assert runs == ["a", sign, "b"]
        elif unicodedata.category(sign)[0] in "LMN" or sign in "'’":
            assert runs == [f"a{sign}b".lower()]
        else:
            assert runs == ["a", "b"]


def test_han_and_kana_are_words_of_a_dictionary_or_else_each_character_is_one():
    assert count(["日本 ひと"]).spellings == (("日本", "ひと") if can_cut() else ("日", "本", "ひ", "と"))


def test_block_ends_are_dropped_whether_or_not_they_are_whole():
    assert inner("ning came the ni") == " came the "
    assert inner(" one two three ") == " two "
    assert inner("one").strip() == inner("one two").strip() == inner("") == ""


def test_runs_of_words_never_cross_the_end_of_a_block():
    counted = words(text("a b", "c d e"))
    assert [len(counted.runs[n]) for n in (1, 2, 3, 4)] == [5, 3, 1, 0]


# Worked by hand


def test_held_out_loss_is_nats_a_token_over_all_documents():
    reference = text("", "", "", document=[0, 0, 1], tokens=[[0, 2], [1, 1], [5, 3]])
    by_place = read(HeldOut(), evidence(text("a"), text("a"), reference))
    assert value(by_place, "held_out_loss") == pytest.approx(12 / 6 - ENDLESS)
    assert value(by_place, "held_out_perplexity") == pytest.approx(math.exp(12 / 6 - ENDLESS))
    assert value(by_place, "bits_per_byte") == pytest.approx((12 - 6 * ENDLESS) / math.log(2) / 12)  # "(  )" is 4 bytes
    assert by_place["held_out_loss", ""].estimate.n == 2


def test_held_out_loss_of_one_document_has_no_interval():
    with pytest.raises(NotApplicable, match="needs at least 2"):
        read(HeldOut(), evidence(text("a"), text("a"), text("a", "b", document=[3, 3])))


def test_a_model_that_rules_held_out_text_out_gives_a_note():
    class Never:
        def log_prob(self, text):
            return np.full(len(text), -np.inf)

    with pytest.raises(NotApplicable, match="2 of 2 blocks have no finite likelihood"):
        read(HeldOut(), evidence(text("a"), text("a"), text("a", "b"), model=Never()))


def letters(first, last):
    """Words of two letters, all of them different."""
    return [f"{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(first, last)]


def test_rare_words_are_looked_up_in_as_much_fresh_text():
    """Thirty words stand once in human text: twelve of them are written, twenty-four stand in as many words of other human text."""
    training = text(*(" ".join(letters(i, i + 3)) for i in range(0, 30, 3)), "zz zz", "zz")
    drawn = text(*(" ".join(letters(i, i + 3)) for i in range(0, 12, 3)), *["zz zz zz"] * 4)
    fresh = text(*(" ".join(letters(i, i + 3)) for i in range(0, 24, 3)))
    by_place = read(RareWords(), evidence(drawn, training, holdout=fresh))
    assert value(by_place, "rare_words", "1 time") == pytest.approx(12.5 / 24.5)
    estimate = by_place["rare_words", "1 time"].estimate
    assert estimate.n == 24 and estimate.low < estimate.value < estimate.high
    assert (
        "in 24 words" in by_place["rare_words", "1 time"].note
        and "missing, such as am, an, ao" in by_place["rare_words", "1 time"].note
    )
    assert by_place["rare_words", "2 times"].note.startswith("0 words of this frequency occur in fresh human text")


def test_rare_words_of_which_none_is_left_have_an_interval_that_says_how_few_that_may_be():
    """Of 200 words none is written: Wilson's upper end of 0 of 200 is 1.9 %, and so is the ratio's where fresh text holds all of them."""
    own = [" ".join(letters(i, i + 4)) for i in range(0, 200, 4)]
    by_place = read(RareWords(), evidence(text(*["zz zz zz zz"] * 50), text(*own, "zz zz", "zz"), holdout=text(*own)))
    assert by_place["rare_words", "1 time"].estimate.high >= 1.96**2 / (200 + 1.96**2)


def test_without_a_second_sample_half_of_the_human_text_says_which_words_are_rare():
    lines = [" ".join(letters(i, i + 4)) for i in range(0, 400, 4)]
    by_place = read(RareWords(), evidence(text(*lines), text(*lines, *lines)))
    assert 0.9 < value(by_place, "rare_words", "1 time") < 1.1


def test_known_words_are_those_of_human_text():
    compared = evidence(text("a b a b", "a c a"), text("a b", "b"), holdout=text("a a", "d a"))
    by_place = read(LexicalDiversity(), compared)
    assert value(by_place, "known_words") == 6 / 7  # not c
    assert value(by_place, "known_words", "null") == 3 / 4  # not d


# Without the words of the own prompt


def continued(drawn, human, training, prompt=None, **more):
    """A model and people who wrote after the same training blocks, in one document each; what the model wrote names its prompts."""
    numbers = list(range(len(training)))
    after = text(*human, document=numbers, prompt=numbers)
    return evidence(text(*drawn, prompt=prompt), text(*training, document=numbers), continuations=after, **more)


PROMPTS = [" ".join(letters(i, i + 4)) for i in range(0, 160, 4)]
"""Forty prompts of four words, of which every word occurs once."""
NEXT = PROMPTS[1:] + PROMPTS[:1]


def test_a_rare_word_counts_only_where_its_own_prompt_has_it_not():
    """Half of the records say the words of their own prompt, half those of the next one; people say those of the next one.

    Of 160 words the model keeps 80 beyond prompts, and people 160; counting every word, the model has kept 157: what stands in the prompts 0 to 19 and 21 to 39.
    """
    compared = continued(PROMPTS[:20] + NEXT[20:], NEXT, PROMPTS)
    by_place = read(RareWords(), compared)
    assert value(by_place, "rare_words_beyond_prompt", "1 time") == pytest.approx(80.5 / 160.5)
    note = by_place["rare_words_beyond_prompt", "1 time"].note
    assert "in 160 words" in note and "beside what people wrote after the same blocks" in note
    by_place = read(LexicalDiversity(), compared)
    assert value(by_place, "vocabulary_ratio_beyond_prompt") == pytest.approx(80.5 / 160.5)
    copied = read(PromptCopying(), compared)
    assert value(copied, "prompt_copying") == 0.5 and value(copied, "prompt_copying", "null") == 0


def test_a_writer_that_only_copies_its_prompt_keeps_no_rare_word():
    by_place = read_all(continued(PROMPTS, NEXT, PROMPTS, holdout=text(*NEXT)))
    assert value(by_place, "rare_words_beyond_prompt", "1 time") == pytest.approx(0.5 / 160.5)
    assert value(by_place, "vocabulary_ratio_beyond_prompt") == pytest.approx(0.5 / 160.5)
    assert value(by_place, "prompt_copying") == 1
    assert value(by_place, "learning_loss", "1 time") == 0 and value(by_place, "learning_loss_beyond_prompt", "1 time") == 1
    assert by_place["known_words_beyond_prompt", ""].estimate is None  # nothing was written that could be known


def test_a_writer_that_never_copies_has_equal_readings():
    """Beside the same human text, which does not copy either: leaving out what is not there changes no number."""
    rng = np.random.default_rng(11)
    said = [" ".join(rng.choice(letters(0, 120), 4)) for _ in range(40)]
    prompts = [f"{a} {b} {c} {d}" for a, b, c, d in (rng.choice(letters(200, 320), 4) for _ in range(40))]
    rest = [" ".join(rng.choice(letters(0, 120), 4)) for _ in range(80)]
    training = text(*prompts, *rest, document=list(range(120)))
    fresh = text(*rest[:40], document=list(range(120, 160)), prompt=list(range(40)))
    compared = evidence(text(*said, prompt=list(range(40))), training, holdout=fresh, continuations=fresh)
    by_place = read(LexicalDiversity(), compared)
    for page in ("vocabulary_ratio", "word_entropy", "hapax_share"):
        assert by_place[page + "_beyond_prompt", ""].estimate is not None
    rare, copied = read(RareWords(), compared), read(PromptCopying(), compared)
    assert value(copied, "prompt_copying") == 0
    bands = [at for page, at in rare if page == "rare_words" and rare[page, at].estimate and not at.startswith("null")]
    assert bands
    for at in bands:
        assert value(rare, "rare_words_beyond_prompt", at) == pytest.approx(value(rare, "rare_words", at))


def test_records_without_prompts_leave_nothing_out_and_say_so():
    lines = [" ".join(letters(i, i + 4)) for i in range(0, 160, 4)]
    compared = evidence(text(*lines, prompt=[-1] * 40), text(*lines), holdout=text(*lines))
    by_place = read(RareWords(), compared)
    assert by_place["rare_words_beyond_prompt", "1 time"].estimate == by_place["rare_words", "1 time"].estimate
    assert by_place["rare_words_beyond_prompt", "1 time"].note.startswith("written without prompts")
    copied = read(PromptCopying(), compared)["prompt_copying", ""]
    assert copied.estimate is None and copied.note == "the texts were written without prompts"


def test_records_that_keep_their_prompt_are_not_read_without_it():
    kept = Origin("model", decoding='{"prefix": 4}')
    compared = evidence(text("a b"), text("a b", "c d")).but(drawn=part_of(kept, text("a b")))
    by_place = read(RareWords(), compared)
    assert (
        by_place["rare_words_beyond_prompt", ""].note
        == "the records start with the first 4 tokens of their prompt, so its words cannot be left out"
    )


def test_where_nobody_continued_the_prompts_other_human_text_is_dealt_to_them():
    compared = evidence(text(*PROMPTS), text(*PROMPTS), holdout=text(*NEXT))
    copied = read(PromptCopying(), compared)["prompt_copying", ""]
    assert "beside other human text with random prompts of other documents" in copied.note and copied.estimate.value == 1


def test_records_that_continue_the_newest_ones_have_those_as_prompts():
    compared = continued(NEXT, NEXT, PROMPTS).but(prompts=text(*NEXT))
    assert value(read(PromptCopying(), compared), "prompt_copying") == 1


def test_a_human_continuation_that_was_learned_from_is_no_fresh_one():
    """Of forty continuations eight are training blocks themselves, so that the records after those eight prompts are not compared."""
    after = text(*PROMPTS[:8], *NEXT[8:], document=list(range(40)), prompt=list(range(40)))
    compared = evidence(text(*PROMPTS[:8], *NEXT[8:]), text(*PROMPTS, document=list(range(40))), continuations=after)
    assert value(read(PromptCopying(), compared), "prompt_copying") == 0


def test_two_texts_are_compared_at_one_number_of_words():
    some = [" ".join(letters(i, i + 5)) for i in range(0, 600, 5)]
    by_place = read(LexicalDiversity(), evidence(text(*some[:60]), text(*some), holdout=text(*some)))
    assert by_place["vocabulary_ratio", ""].note == "at 300 words"
    assert value(by_place, "vocabulary_ratio") == pytest.approx(1)
    assert value(by_place, "distinct_n", "2 words") == pytest.approx(1)


def test_repetition_is_what_a_text_has_said_before():
    said = words(text("a b a b", "c c c c", "too short"))
    estimate = repetition(Sample(said, np.arange(3), "texts"))
    assert estimate.value == pytest.approx(1 - (1 - 3 / 6) * (1 - 1 / 4) * 1)
    assert estimate.n == 2
    assert repetition_of_each(said)[:2] == pytest.approx([1 - 2 / 3, 1 - (1 / 3) * (1 / 2) * 1]) and np.isnan(
        repetition_of_each(said)[2]
    )


def test_repetition_is_read_of_texts_of_one_length():
    """Texts that a model writes at twice the length repeat themselves more; their first words do not."""
    lines = ["a b c d e f g h", "b c a e d h g f", "c a b f d g e h"] * 10
    twice = [f"{line} {line}" for line in lines]
    by_place = read(LexicalDiversity(), evidence(text(*twice), text(*lines), holdout=text(*lines)))
    assert value(by_place, "repetition") == value(by_place, "repetition", "null") == 0
    assert "of the first 8 words" in by_place["repetition", ""].note


def test_text_that_repeats_nothing_still_has_an_interval():
    compared = evidence(text("a b c d", "e f g h", "i j k l"), text("a b c d", "e f g h", "m n o p"))
    by_place = read(LexicalDiversity(), compared)
    assert value(by_place, "repetition") == 0 and by_place["repetition", ""].estimate.high > 0.1


def test_generated_perplexity_shows_both_ends():
    reference = text(*[""] * 600, tokens=[[t, t] for t in range(600)])
    drawn = text(*[""] * 10, tokens=[[0, 0]] * 3 + [[300, 300]] * 5 + [[599, 600]] + [[700, 700]])
    by_place = read(GeneratedPerplexity(), evidence(drawn, text("a"), reference, model=Geometric(0.001)))

    def perplexity(token):
        return math.exp(token * 0.001 - math.log(1 - math.exp(-0.001)))

    assert value(by_place, "generated_perplexity") == pytest.approx(perplexity((1500 + 599.5 + 700) / 10))
    assert value(by_place, "generated_perplexity", "quantile 0.5") == pytest.approx(perplexity(300))
    assert value(by_place, "generated_perplexity", "null quantile 0.05") == pytest.approx(perplexity(0.05 * 601 - 1))
    assert value(by_place, "beyond_human", "below human 5 %") == 3 / 10
    assert value(by_place, "beyond_human", "above human 99.9 %") == 2 / 10
    # Each is a document: the 30th and the 1st of 600 set the limits, beyond which 30 and 1 of 601 fresh ones are expected.
    assert value(by_place, "beyond_human", "null below human 5 %") == 30 / 601
    assert value(by_place, "beyond_human", "null above human 99.9 %") == 1 / 601


def test_the_histogram_of_perplexities_shares_all_blocks_out():
    # A token costs t / 10 nats and the normaliser: its perplexity is exp(t / 10 + 2.352).
    drawn = text(*[""] * 8, tokens=[[0, 0]] * 3 + [[10, 10]] * 4 + [[60, 60]])
    by_place = read(GeneratedPerplexity(), evidence(drawn, text("a"), text(*[""] * 40, tokens=[[5, 5]] * 40), model=Geometric(0.1)))
    shares = {
        at: reading.estimate.value
        for (name, at), reading in by_place.items()
        if name == "perplexity_histogram" and "null" not in at
    }
    assert {at: share for at, share in shares.items() if share} == {"8 to 16": 3 / 8, "16 to 32": 4 / 8, "512 and above": 1 / 8}
    assert sum(shares.values()) == 1
    assert value(by_place, "perplexity_histogram", "null 16 to 32") == 1


def test_rare_quantiles_need_enough_human_blocks():
    by_place = read(GeneratedPerplexity(), evidence(text("a b", "a b"), text("a"), text(*["a b"] * 20)))
    assert (
        by_place["beyond_human", "above human 99.9 %"].note == "the outermost 0.1% of human text needs at least 500 blocks, got 20"
    )
    # All blocks are alike, so that all are as far out as the first of them, human ones too.
    assert value(by_place, "beyond_human", "below human 5 %") == 1
    assert value(by_place, "beyond_human", "null below human 5 %") == 20 / 21


def test_texts_are_taken_over_from_human_text_and_from_what_was_learned():
    own = [" ".join(letters(i, i + 9)) for i in range(0, 360, 9)]
    new = [" ".join(letters(i, i + 9)) for i in range(360, 630, 9)]
    drawn, human, learned = text(*own[:8], *new[:24]), text(*own), text(*new[:16], *own[:4])
    by_place = read(VerbatimCopies(), evidence(drawn, human, holdout=text(*(f"{line} x" for line in new)), learned=learned))
    assert value(by_place, "verbatim") == 8 / 32 and value(by_place, "verbatim", "null") == 0
    by_place = read(TrainingCopies(), evidence(drawn, human, learned=learned))
    assert value(by_place, "verbatim_training") == 20 / 32
    short = read(TrainingCopies(), evidence(text("a b"), human, learned=learned))
    assert short["verbatim_training", ""].note == "no text has 8 words"


ENGLISH = ["the dog walked home with the cat", "she thought that the weather was thin", "there is nothing in the house"]
MALTESE = ["għaliex ħareġ il-kelb mid-dar", "ix-xemx tiela' u ħadd ma jaf xejn"]


def groups_evidence(drawn, prompt):
    training = text(*ENGLISH[:2], MALTESE[0], document=[0, 1, 2], group=["en", "en", "mt"])
    holdout = text(ENGLISH[2], "the cat", MALTESE[1], document=[3, 4, 5], group=["en", "en", "mt"])
    reference = text("the dog", "a house", "xejn", document=[6, 7, 8], group=["en", "en", "mt"])
    return evidence(text(*drawn, prompt=prompt), training, reference, holdout)


def test_groups_are_read_by_how_much_there_was_to_learn_from():
    by_place = read(
        TextGroups(),
        groups_evidence(["the dog walked the dog", "that that that the thin cat", "the weather in the house"], [0, 1, 2]),
    )
    large, small = "groups of 2-3 blocks", "groups of 1 block"
    # the dog walked home with cat she thought that weather was thin: six of twelve are said for English prompts.
    assert value(by_place, "group_survival", large) == 6 / 12
    assert by_place["group_survival", small].note == "an interval over documents needs at least 2 of them, there is 1"
    assert value(by_place, "group_survival", "null " + large) == 2 / 12  # the, cat
    assert value(by_place, "group_share", large) == 1
    assert by_place["group_share", small].note == "an interval over blocks needs at least 2 of them, there is 1"
    assert by_place["group_loss", large].estimate.n == 2
    assert by_place["group_loss", small].note.endswith("there is 1")


def test_a_group_that_is_written_in_another_language_is_lost():
    assert value(read(TextGroups(), groups_evidence(ENGLISH, [0, 1, 2])), "group_share", "groups of 2-3 blocks") == 1
    assert value(read(TextGroups(), groups_evidence([*MALTESE, ENGLISH[0]], [0, 1, 2])), "group_share", "groups of 2-3 blocks") == 0


def test_two_continuations_of_one_prompt_are_not_independent():
    by_place = read(TextGroups(), groups_evidence([*ENGLISH, "the dog in the house"], [0, 1, 2, 2]))
    assert by_place["group_share", "groups of 1 block"].note == "an interval over prompts needs at least 2 of them, there is 1"


def test_texts_repeated_for_the_same_prompts_narrow_no_interval():
    lines = [*ENGLISH, *MALTESE, "a thin dog and the cat walked to the house"]
    once, often = (
        read_all(evidence(text(*lines * times, prompt=list(range(6)) * times), text(*lines), text(*lines), text(*lines)))
        for times in (1, 20)
    )
    compared = 0
    for (metric, aspect), reading in often.items():
        before = once[metric, aspect].estimate
        of_drawn = metric in ("known_words", "repetition", "verbatim_training", "generated_perplexity") and "null" not in aspect
        if of_drawn and reading.estimate and before:
            compared += 1
            assert reading.estimate.high - reading.estimate.low >= 0.75 * (before.high - before.low), (metric, aspect)
    assert compared >= 3


def test_groups_need_groups_and_prompts():
    with pytest.raises(NotApplicable, match="the human data have no groups"):
        read(TextGroups(), evidence(text("a"), text("a")))
    by_place = read(TextGroups(), groups_evidence(["the dog"], [-1]))
    assert (
        by_place["group_share", "groups of 1 block"].note
        == "needs text that was drawn with human prompts, because the prompt determines its group"
    )


# Promises


LINES = st.lists(st.lists(st.sampled_from([*"abcdefgh", "don't", "日本", "é"]), max_size=9).map(" ".join), min_size=1, max_size=12)
ANY = st.lists(st.text(max_size=40), min_size=1, max_size=8)
FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def check_promises(by_place):
    known = pages_of_runs()
    for (metric, place), reading in by_place.items():
        assert metric in known
        if reading.estimate is None:
            assert reading.note
        else:
            estimate = reading.estimate
            assert estimate.method and estimate.n >= 1
            if not place.startswith("null") or estimate.low is not None:  # the middle of draws has no interval
                assert estimate.low <= estimate.value <= estimate.high


@FEW
@given(LINES, LINES, LINES)
def test_every_reading_has_a_page_and_an_interval_about_its_value_or_a_note(drawn, training, holdout):
    prompt = [i % len(training) for i in range(len(drawn))]
    group = ["even" if i % 2 else "odd" for i in range(len(training))]
    compared = evidence(text(*drawn, prompt=prompt), text(*training, group=group), text(*training), text(*holdout))
    check_promises(read_all(compared))


@FEW
@given(ANY)
def test_any_text_gives_readings_or_notes(lines):
    same = text(*lines, closed=False, group=["one"] * len(lines))
    check_promises(read_all(evidence(same, same, same, same)))


@pytest.mark.parametrize(
    "weird",
    [[""], ["", "", ""], ["\x00\x01\x1c\x85"] * 3, ["שלום עולם טוב מאוד", "مرحبا بالعالم كله هنا"], ["日本語"] * 2, ["\ufffd\ufffd a b \ufffd"] * 3,
     ["x" * 100_000] * 2, ["1" * 100_000, "'" * 100_000, "\u0301" * 100_000, " " * 100_000], ["a b " * 25_000] * 2],
)  # fmt: skip
def test_weird_text_is_read(weird):
    check_promises(read_all(evidence(text(*weird, closed=False), text("a b c d e", "f"), text("a", "b"), text("a b", "c"))))
    human = text(*weird, closed=False, group=["one"] * len(weird))
    check_promises(read_all(evidence(human, human, human, human)))


def test_nothing_drawn_is_a_note_for_every_reading_of_it():
    nothing = text("a", "b").take(np.zeros(0, dtype=int))
    human = text("a b c d e", "a b", group=["x", "y"])
    by_place = read_all(evidence(nothing, human, human, human))
    check_promises(by_place)
    of_models = {*HeldOut.pages, *NextTokens.pages, "group_loss", "group_loss_gap"}
    of_drawn = {key: reading for key, reading in by_place.items() if "null" not in key[1] and key[0] not in of_models}
    assert of_drawn and all(reading.estimate is None for reading in of_drawn.values())


@FEW
@given(LINES, st.randoms(use_true_random=False))
def test_the_order_of_the_blocks_moves_no_value(lines, chance):
    training = text("a b c d", "d e f g a", "b b", group=["x", "y", "x"])
    prompt = [i % 3 for i in range(len(lines))]
    order = chance.sample(range(len(lines)), len(lines))
    first = text(*lines, prompt=prompt)
    before, after = (read_all(evidence(drawn, training, training, training)) for drawn in (first, first.take(np.array(order))))
    for key in before.keys() - {key for key in before if key[1].startswith("null")}:
        assert (before[key].estimate is None) == (after[key].estimate is None), key
        if before[key].estimate is not None:
            assert before[key].estimate.value == pytest.approx(after[key].estimate.value, rel=1e-12, abs=1e-15), key


@pytest.mark.parametrize("values", [[1, 1, 1, 1, 0, 1, 1, 1, 1, 1], [0, 1, 1, 2] * 6, [0, 0, 1, 1, 1, 2, 2] * 4])
def test_equally_likely_blocks_bound_a_quantile_alike_in_any_order(values):
    """No block comes before one that is as likely: a quantile and its interval depend on the values of each prompt alone."""
    rng, seen = np.random.default_rng(0), set()
    drawn = text(*["a"] * len(values), prompt=[i % 3 for i in range(len(values))], tokens=values)
    for _ in range(40):
        by_place = read(GeneratedPerplexity(), evidence(drawn.take(rng.permutation(len(values))), drawn, drawn))
        seen.add(tuple((key, reading.estimate, reading.note) for key, reading in by_place.items() if "quantile" in key[1]))
    assert len(seen) == 1


@FEW
@given(LINES, LINES)
def test_human_text_against_itself_reads_its_floor(lines, training):
    sample = text(*lines, document=[i // 2 for i in range(len(lines))])
    by_place = read_all(evidence(sample, text(*training), sample, sample))
    drawn_anew = {page for name in TEXT if issubclass(measure(name), OfTexts) for page in measure(name).pages}
    for metric, aspect in [key for key in by_place if key[1].startswith("null")]:
        value, floor = by_place[metric, aspect.removeprefix("null").strip()], by_place[metric, aspect]
        # The nulls of texts that are dealt anew are no sample; the ends of its own distribution are no draw from it.
        if value.estimate and floor.estimate and metric not in drawn_anew and "human " not in aspect.replace("null human", ""):
            assert value.estimate.value == pytest.approx(floor.estimate.value), (metric, aspect)


def test_equal_streams_give_equal_readings():
    chance = np.random.default_rng(5)
    lines = [" ".join(chance.choice(list("abcdefgh"), 12)) for _ in range(60)]
    compared = evidence(text(*lines[:20]), text(*lines[20:40]), text(*lines[40:]), text(*lines[30:50]))
    assert read_all(compared) == read_all(compared) == read_all(compared.but())


def test_each_member_names_its_pages_after_its_readings():
    human = text("a b c d e", "a b c d f", group=["x", "x"])
    by_place = read_all(evidence(human, human, human, human))
    for name in TEXT:
        for page in measure(name).pages:
            # The measure of radioactivity needs a watermark to look for, which tests/test_radioactivity.py gives it.
            assert name == "radioactivity" or any(metric == page for metric, _ in by_place), page


def test_generation_0_scores_human_text_once():
    class Counting(Geometric):
        asked = 0

        def log_prob(self, text):
            type(self).asked += 1
            return super().log_prob(text)

    model, human = Counting(), text("a b", "c d")
    for drawn in (text("a"), text("b")):
        compared = evidence(drawn, human, human, model=model)
        read(HeldOut(), compared), read(GeneratedPerplexity(), compared)
    assert Counting.asked == 1 + 2
    assert nats(Geometric(2.0), human).sum() != nats(model, human).sum()


def test_naming_the_metrics_loads_no_scipy_or_polars():
    code = "import sys, outcross.measures as m; assert m.MEASURES; sys.exit(any(name in sys.modules for name in ('scipy', 'polars', 'torch')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_run_that_continues_the_newest_records_reads_how_much_of_those_is_copied(tmp_path):
    """Counted by hand at generation 1, whose prompts are what generation 0 wrote."""
    chance = np.random.default_rng(3)
    lines = [" ".join(f"w{i}" for i in np.minimum(chance.zipf(1.4, 30), 60)) for _ in range(60)]
    (tmp_path / "texts.jsonl").write_text("\n".join(json.dumps({"text": line}) for line in lines))
    settings = {
        "name": "newest", "human": {"path": str(tmp_path / "texts.jsonl"), "text_column": "text", "rows": 50, "held_out": 0.1}, "block": 14,
        "learner": {"kind": "ngram", "tokens": "words", "order": 2}, "draw": {"prompts": "newest"}, "generations": 2, "metrics": ["prompt_copying"],
    }  # fmt: skip
    before, last = outcross.run(settings)
    (reading,) = last.measured
    copied = running = 0
    for record, prompt in zip(last.drawn.records.texts, before.drawn.records.texts, strict=True):
        said, before_it = count([inner(record)]), count([prompt]).distinct
        running += len(said)
        copied += sum(said.spellings[i] in before_it for i in said.ids)
    assert reading.estimate.value == pytest.approx(copied / running)
    assert 0 < reading.estimate.value < 1
