"""Filters against what they must give: closed forms, worked examples, and what people write wrongly."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys

import numpy as np
import polars
import pytest
from given_candidates import Given
from scipy.sparse import csr_matrix, vstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from outcross.errors import BadInput
from outcross.estimate import NotApplicable
from outcross.filters import FILTERS
from outcross.filters.best_of import BestOfFilter
from outcross.filters.drop_duplicates import DropDuplicatesFilter
from outcross.filters.route import RouteFilter, expected_shares, shares_of_rewards
from outcross.recipe import plain, read
from outcross.text.tf_idf import tf_idf

ERRORS = 4.5
"""Standard errors within which a mean must be: a false alarm in 150,000."""


def scored(scores: np.ndarray, k: int, **more: list) -> Given:
    """Candidates of which every k answer one prompt."""
    n = len(scores)
    return Given([""] * n, {"score": scores.tolist(), **more}, asked=[f"{number // k}" for number in range(n)])


def kept(chooser, candidates, seed=0) -> np.ndarray:
    return chooser.select(candidates, np.random.default_rng(seed)).kept


@pytest.mark.parametrize(("k", "expected"), [(2, 0.5642), (5, 1.1630), (10, 1.5388)])
def test_the_best_of_k_normal_numbers_is_as_far_above_their_mean_as_order_statistics_say(k, expected):
    scores = np.random.default_rng(5).standard_normal(4000 * k)
    chosen = scores[kept(BestOfFilter(by={"column": "score"}), scored(scores, k))]
    assert len(chosen) == 4000
    assert abs(chosen.mean() - expected) < ERRORS * chosen.std() / np.sqrt(4000)
    of_ten = scored(np.random.default_rng(6).standard_normal(40_000), 10)
    drawn = np.array(of_ten.data["score"])[kept(BestOfFilter(by={"column": "score"}, k=k), of_ten)]
    assert abs(drawn.mean() - expected) < ERRORS * drawn.std() / np.sqrt(4000)


def test_a_constant_number_chooses_as_chance_does():
    constant, any_of = BestOfFilter(by={"column": "score"}), BestOfFilter(by="random")
    candidates = scored(np.ones(3000), 3)
    assert np.array_equal(kept(constant, candidates), kept(any_of, candidates))
    places = np.flatnonzero(kept(any_of, candidates)) % 3
    assert np.abs(np.bincount(places, minlength=3) - 1000 / 3).max() < ERRORS * np.sqrt(1000 * 2 / 9)


def test_the_least_of_f_is_the_most_of_its_negative():
    scores = np.random.default_rng(0).standard_normal(600)
    lowest, highest = (BestOfFilter(by={"column": "score"}, keep=keep) for keep in ("least", "most"))
    assert np.array_equal(kept(lowest, scored(scores, 6)), kept(highest, scored(-scores, 6)))
    assert not (kept(lowest, scored(scores, 6)) & kept(highest, scored(scores, 6))).any()


def test_the_first_is_the_first_and_nothing_is_preferred_by_a_baseline():
    assert np.flatnonzero(kept(BestOfFilter(by="first"), scored(np.arange(12.0), 4))).tolist() == [0, 4, 8]
    assert [BestOfFilter(by=by).prefers for by in ("first", "random")] == ["", ""]
    assert BestOfFilter(by="mtld", keep="least").prefers == "of each prompt the candidate with the least mtld"


def test_a_function_of_texts_chooses_and_one_text_that_it_cannot_read_is_rejected_alone():
    candidates = Given(["aaa", "bb", "", "dddd"], asked=["one", "one", "two", "two"])

    def length(texts):
        return [1 / bool(text) * len(text) for text in texts]

    selection = BestOfFilter(by=length).select(candidates, np.random.default_rng(0))
    assert selection.kept.tolist() == [True, False, False, True] and selection.reasons[selection.reason[2]] == "it has no number"
    with pytest.raises(BadInput, match=r"length_of_all must return one number per text, 4 for 4 texts, got an array of shape \(\)"):

        def length_of_all(texts):
            return sum(map(len, texts))

        BestOfFilter(by=length_of_all).select(candidates, np.random.default_rng(0))
    with pytest.raises(BadInput, match=r"a loop needs a function that is defined in a module"):
        _ = BestOfFilter(by=length).functions


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ({"best_of": {}}, "by is needed"),
        ({"best_of": {"by": "wrods"}}, "did you mean 'words'"),
        ({"best_of": {"by": "words", "k": 0}}, r"k must be at least 1, got 0"),
        ({"best_of": {"by": "words", "keep": "most of all"}}, "keep must be 'most' or 'least'"),
        ({"route": {"rule": "reward"}}, "rule: reward needs a reward"),
        ({"route": {"rule": "table"}}, "rule: table and a table"),
        ({"route": {"rule": "table", "table": {"en": "a"}}}, "by: language"),
        ({"drop_duplicates": {"threshold": 80}}, "threshold must be at most 1, got 80"),
        ({"decontaminate": {}}, "path is needed"),
        ({"bestof": {"by": "words"}}, "did you mean 'best_of'"),
    ],
)
def test_a_filter_that_is_written_wrongly_is_refused_in_one_line(written, why):
    with pytest.raises(BadInput, match=why) as refused:
        read(FILTERS, written, "filter")
    assert "\n" not in str(refused.value)


# Routing: the competence of teacher m in language l is mu[l, m], and answers differ by noise.

MU = np.array([[2.0, 0.5, 0.0], [0.0, 2.5, 1.0], [0.5, 0.0, 2.0]])
LANGUAGES, TEACHERS = ("en", "mt", "pt"), ("a", "b", "c")
PROMPTS = 1500


def answers(mu: np.ndarray, noise: float, judged: float = 0.0) -> tuple[Given, np.ndarray]:
    """An answer of every teacher to every prompt, and how good it is; the reward errs by so much."""
    rng = np.random.default_rng(11)
    cells = list(itertools.product(range(PROMPTS), range(3)))
    good = np.array([mu[prompt % 3, teacher] for prompt, teacher in cells]) + noise * rng.standard_normal(len(cells))
    candidates = Given(
        [""] * len(cells),
        {
            "reward": (good + judged * rng.standard_normal(len(cells))).tolist(),
            "language": [LANGUAGES[prompt % 3] for prompt, _ in cells],
        },
        asked=[f"write about {LANGUAGES[prompt % 3]} thing {prompt}" for prompt, _ in cells],
        wrote=[TEACHERS[teacher] for _, teacher in cells],
    )
    return candidates, good


BEST_OF_LANGUAGE = {language: TEACHERS[int(MU[row].argmax())] for row, language in enumerate(LANGUAGES)}
REWARD = {"column": "reward"}
RULES = {
    "random": RouteFilter(rule="random"),
    "single": RouteFilter(rule="single", reward=REWARD),
    "fixed": RouteFilter(rule="table", by="language", table=BEST_OF_LANGUAGE),
    "reward": RouteFilter(rule="reward", reward=REWARD),
}


def test_random_single_fixed_and_reward_based_routing_give_what_the_competence_matrix_says():
    candidates, good = answers(MU, noise=1.0)
    settings = {name: good[kept(rule, candidates)] for name, rule in RULES.items()}
    normal = np.random.default_rng(0).standard_normal((200_000, 3))
    expected = {
        "random": MU.mean(),
        "single": MU.mean(axis=0).max(),
        "fixed": MU.max(axis=1).mean(),
        "reward": np.mean([(row + normal).max(axis=1).mean() for row in MU]),
    }
    for name, chosen in settings.items():
        assert len(chosen) == PROMPTS and abs(chosen.mean() - expected[name]) < ERRORS * chosen.std() / np.sqrt(PROMPTS)
    means = [settings[name].mean() for name in ("random", "single", "fixed", "reward")]
    assert means == sorted(means)


def test_equal_teachers_are_equal_however_prompts_are_routed():
    candidates, good = answers(np.tile([[1.0], [2.0], [0.5]], 3), noise=0.0)
    assert {round(float(good[kept(rule, candidates)].mean()), 12) for rule in RULES.values()} == {round(7 / 6, 12)}


def test_a_reward_that_is_all_noise_routes_as_chance_does():
    candidates, good = answers(MU, noise=0.0, judged=1000.0)
    chosen = good[kept(RULES["reward"], candidates)]
    assert abs(chosen.mean() - MU.mean()) < ERRORS * good.std() / np.sqrt(PROMPTS)


def test_routing_by_reward_decays_to_random_as_the_noise_of_the_reward_grows():
    normal = np.random.default_rng(1).standard_normal((400_000, 2, 3))
    rows = MU[np.arange(400_000) % 3]
    means, floors = [], []
    for noise in (0.0, 1.0, 3.0, 10.0, 100.0):
        candidates, good = answers(MU, noise=1.0, judged=noise)
        chosen = good[kept(RULES["reward"], candidates)]
        answered = rows + normal[:, 0]
        law = answered[np.arange(400_000), (answered + noise * normal[:, 1]).argmax(axis=1)].mean()
        assert abs(chosen.mean() - law) < ERRORS * good.std() / np.sqrt(PROMPTS)
        means.append(law)
        floors.append(chosen.mean())
    assert means == sorted(means, reverse=True) and abs(means[-1] - MU.mean()) < 0.02
    assert floors[0] - floors[-1] > 1


def test_a_learned_router_comes_to_the_entropy_floor_of_its_rewards_where_prompts_tell_all():
    """Shares of rewards that are one number for each topic: what is left of the loss in nats is their entropy alone, and the divergence is 0."""
    rule = RouteFilter(rule="learned", reward=REWARD, columns=["language"], temperature=0.7, ridge=0.01)
    facts = rule.select(answers(MU, noise=0.0)[0], np.random.default_rng(0)).facts
    assert facts["kl"] < 0.005 < 0.05 < facts["kl_without_prompts"]


def test_a_learned_router_finds_the_best_teacher_of_each_kind_of_prompt_from_the_prompt_alone():
    candidates, good = answers(MU, noise=0.3)
    learned = RouteFilter(rule="learned", reward=REWARD)
    selection = learned.select(candidates, np.random.default_rng(0))
    single, fixed = (good[kept(RULES[name], candidates)].mean() for name in ("single", "fixed"))
    assert single < good[selection.kept].mean() <= fixed + 1e-9 and good[selection.kept].mean() > fixed - 0.05
    assert selection.facts["gain"]["low"] > 0 and selection.facts["kl"] < selection.facts["kl_without_prompts"]
    by_column = RouteFilter(rule="learned", reward=REWARD, columns=["language"], temperature=0.1, ridge=0.01)
    assert by_column.select(answers(MU, noise=0.0)[0], np.random.default_rng(0)).facts["kl"] < 0.01


def test_a_router_reads_the_words_of_prompts_as_scikit_learn_weighs_them():
    rng = np.random.default_rng(0)
    words = np.array([f"word{number}" for number in range(40)])
    texts = ["", "a", *(" ".join(rng.choice(words, rng.integers(1, 30))) for _ in range(300)), "Élan, ÉLAN and élan_2 it's"]
    own, theirs = tf_idf(texts, 10_000), TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True).fit_transform(texts)
    assert own.shape == theirs.shape and own.nnz == theirs.nnz
    assert np.abs(own @ own.T - theirs @ theirs.T).max() < 1e-12
    assert tf_idf(texts, 7).shape == (len(texts), 7) and tf_idf(["", "a"], 7).shape == (2, 0)


@pytest.mark.parametrize("teachers", [2, 3, 5])
def test_a_router_is_logistic_regression_on_copies_of_a_prompt_of_each_teachers_share(teachers):
    """Cross entropy to shares is that of as many copies of a prompt as there are teachers, each of its share's weight."""
    rng = np.random.default_rng(teachers)
    features, others = (csr_matrix(rng.random((n, 12)) * (rng.random((n, 12)) < 0.4)) for n in (800, 50))
    wanted = rng.dirichlet(np.ones(teachers), 800) * (1 + 3 * (features[:, :teachers].toarray() > 0))
    wanted /= wanted.sum(axis=1, keepdims=True)
    wanted[:9] = 0.0  # prompts without a reward
    shares = expected_shares(features, wanted, others, 2.0)
    copies = LogisticRegression(C=0.5, max_iter=1000, tol=1e-8)
    copies.fit(vstack([features] * teachers), np.repeat(np.arange(teachers), 800), wanted.T.ravel())
    assert np.abs(shares - copies.predict_proba(others)).max() < 2e-3


def test_rewards_become_shares_that_add_up_over_the_teachers_that_answer():
    shares = shares_of_rewards(np.array([[1.0, 2.0, np.nan], [3.0, 3.0, 3.0], [np.nan, np.nan, 5.0]]), 1.0)
    assert shares.sum(axis=1) == pytest.approx([1, 1, 1]) and shares[0, 2] == 0 and shares[1] == pytest.approx([1 / 3] * 3)
    assert shares[0, 1] > shares[0, 0]


def test_routing_without_teachers_or_with_one_that_is_not_there_is_refused():
    candidates, _ = answers(MU, 0.0)
    with pytest.raises(NotApplicable, match="needs the model that wrote each candidate"):
        kept(RULES["random"], scored(np.ones(4), 2))
    with pytest.raises(BadInput, match="table names the model 'd'"):
        kept(RouteFilter(rule="table", by="language", table={"*": "d"}), candidates)
    with pytest.raises(BadInput, match="table has no entry for language 'mt'"):
        kept(RouteFilter(rule="table", by="language", table={"en": "a"}), candidates)


# Duplicates, test sets, boilerplate.

STORY = "the old tower fell in the night of the great storm and nobody in the village heard it fall"
NEAR = STORY.replace("village", "valley") + " at all"


def test_of_the_same_and_almost_the_same_texts_the_human_one_stays_and_is_named():
    candidates = Given(
        [STORY, "something else that is said here by one", NEAR, STORY],
        who=["model", "model", "human", "human"],
        wrote=["a", "a", "", ""],
    )
    selection = DropDuplicatesFilter(threshold=0.5).select(candidates, np.random.default_rng(0))
    assert selection.kept.tolist() == [False, True, True, False]
    assert selection.match is not None and selection.match[0] in (2, 3) and selection.kept[selection.match[0]]
    exact = DropDuplicatesFilter(near=False).select(candidates, np.random.default_rng(0))
    assert exact.times.tolist() == [0, 1, 1, 1] and exact.match is not None and exact.match[0] == 3


def test_no_kept_text_has_a_twin_that_is_kept_and_every_text_that_goes_has_one():
    from outcross.text.near import near_twins

    rng = np.random.default_rng(0)
    words = np.array(["tower", "night", "storm", "river", "stone", "bread", "window", "garden", "letter", "winter"])
    bases = [rng.choice(words, 30) for _ in range(20)]
    texts = []
    for number in range(200):
        text = bases[number % 20].copy()
        text[rng.integers(30, size=number % 4)] = "changed"
        texts.append(" ".join(text))
    selection = DropDuplicatesFilter(threshold=0.6).select(Given(texts), np.random.default_rng(0))
    left = [text for text, stays in zip(texts, selection.kept, strict=True) if stays]
    assert 0 < len(left) < 200 and not len(near_twins(left, 0.6).first)
    assert (
        selection.match is not None
        and (selection.match[~selection.kept] >= 0).all()
        and selection.kept[selection.match[~selection.kept]].all()
    )


def looked_at_one_by_one(candidates: Given, threshold: float) -> list[tuple[int, float]]:
    """For each text the one that is kept for it (−1: it stays) and how alike they are, by comparing every text with every kept one."""
    who, wrote = candidates.who or [], candidates.wrote or []
    order = sorted(range(len(candidates)), key=lambda row: (who[row] != "human", candidates.texts[row], wrote[row]))
    words = [tuple("".join(sign if sign.isalnum() else " " for sign in text.lower()).split()) for text in candidates.texts]
    runs = [{own[at : at + 5] for at in range(len(own) - 4)} if len(own) >= 5 else {own} if own else set() for own in words]
    answers = [(-1, np.nan)] * len(candidates)
    kept_rows: list[int] = []
    for row in order:
        copy = next((other for other in order if candidates.texts[other] == candidates.texts[row]), row)
        if copy != row:
            leader = answers[copy][0]
            answers[row] = (copy if leader < 0 else leader, 1.0)
            continue
        same_runs = next((other for other in order[: order.index(row)] if runs[row] and runs[other] == runs[row]), row)
        if same_runs != row:
            leader = answers[same_runs][0]
            answers[row] = (same_runs if leader < 0 else leader, 1.0)
            continue
        alike = [(len(runs[row] & runs[other]) / max(len(runs[row] | runs[other]), 1), other) for other in kept_rows]
        likeness, leader = next((pair for pair in alike if pair[0] >= threshold), (np.nan, -1))
        answers[row] = (leader, likeness)
        if leader < 0:
            kept_rows.append(row)
    return answers


@pytest.mark.parametrize("read_again", [1, 200, 2**27])
@pytest.mark.parametrize("threshold", [0.4, 0.8])
def test_duplicates_are_those_that_comparing_one_by_one_finds_however_few_texts_are_in_memory(threshold, read_again, monkeypatch):
    """People first, then texts in their alphabetical order: the first is kept for all that are like it, whatever order they come in and whatever is read at a time."""
    monkeypatch.setattr("outcross.filters.drop_duplicates.READ_AGAIN", read_again)
    monkeypatch.setattr("outcross.text.texts.TOGETHER", 7)
    rng = np.random.default_rng(1)
    words = np.array(["tower", "night", "storm", "river", "stone", "bread", "window", "garden", "letter", "winter"])
    bases = [rng.choice(words, int(size)) for size in rng.integers(3, 20, 25)]
    texts = []
    for _ in range(160):
        text = bases[int(rng.integers(25))].copy()
        if rng.random() < 0.6:
            text[int(rng.integers(len(text)))] = "changed"
        joined = " ".join(text)
        texts.append(joined.upper() + "!" if rng.random() < 0.1 else joined)
    who = rng.choice(["human", "model"], 160).tolist()
    wrote = ["" if author == "human" else str(rng.choice(["a", "b"])) for author in who]
    candidates = Given([*texts, "", ""], who=[*who, "human", "model"], wrote=[*wrote, "", "a"])
    selection = DropDuplicatesFilter(threshold=threshold).select(candidates, np.random.default_rng(0))
    expected = looked_at_one_by_one(candidates, threshold)
    assert selection.match is not None and selection.value is not None
    assert selection.kept.tolist() == [leader < 0 for leader, _ in expected]
    has_match = ~selection.kept
    assert selection.value[has_match] == pytest.approx(
        [likeness for (_, likeness), gone in zip(expected, has_match, strict=True) if gone]
    )
    assert [candidates.texts[row] for row in selection.match[has_match]] == [
        candidates.texts[leader] for (leader, _), gone in zip(expected, has_match, strict=True) if gone
    ]


def test_which_lines_boilerplate_names_first_follows_from_the_texts_alone():
    """Two lines that as many texts share were named in an order that Python's hashes of strings decided."""
    script = (
        "import numpy as np; from given_candidates import Given; from outcross.filters.drop_boilerplate import DropBoilerplateFilter\n"
        "texts = [f'{n} is what it says. Read more. All rights reserved. Click here. Sign in.' for n in 'abcdefgh']\n"
        "print(DropBoilerplateFilter(texts=3).select(Given(texts), np.random.default_rng(0)).notes)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    said = {
        subprocess.run(
            [sys.executable, "-c", script], env=environment | {"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(said) == 1 and "(8)" in said.pop()


def test_records_of_a_test_set_go_whole_or_by_a_long_run_of_words(tmp_path):
    question = "How many of the seven bridges of Königsberg must a walker cross who wants to come home again?"
    polars.DataFrame({"question": [question], "answer": ["All seven"]}).write_parquet(tmp_path / "test.parquet")
    filtered = read(FILTERS, {"decontaminate": {"path": str(tmp_path / "test.parquet")}}, "filter")
    texts = [question.upper(), f"They asked: {question} I said no.", "Seven bridges are many.", "all seven!"]
    selection = filtered.select(Given(texts), np.random.default_rng(0))
    assert selection.kept.tolist() == [False, False, True, False]
    assert selection.reason is not None and selection.reason.tolist() == [0, 1, -1, 0]
    assert selection.value is not None and selection.value[1] == 18
    assert plain(filtered.without_paths())["path"] == "the test set"


def test_lines_that_many_share_and_phrases_that_were_named_go():
    menu = "Home. About us. Contact. All rights reserved 2024."
    texts = [
        menu,
        menu.replace("2024", "2025"),
        f"A story of its own, long enough to stand. {menu} It goes on and on with words.",
    ] + [f"Page {word}. Home. About us." for word in ("one", "two")]
    texts += ["As an AI language model, I cannot say.", "What a day it was in the garden."]
    boilerplate = read(FILTERS, {"drop_boilerplate": {"texts": 3, "share": 0.6, "phrases": ["as an AI language model"]}}, "filter")
    selection = boilerplate.select(Given(texts), np.random.default_rng(0))
    assert selection.kept.tolist() == [True, True, True, False, False, False, True]  # the two menus are copies of one text
    assert selection.reason is not None and selection.reason[5] == 0
