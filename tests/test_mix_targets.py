"""Targets are met to one record, or refused with what can be had; what is drawn with a preference is drawn as the theory says."""

import itertools
import json
import math

import numpy as np
import polars
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outcross import BadInput, audit, mix
from outcross.laws.gaussian import best_weight
from outcross.statistics.density_ratio import density_ratio
from outcross.statistics.two_sources import effective_size
from outcross.text.hashed import divergence, hashed

HUMAN, GPT, CLAUDE = "human", {"model": "gpt"}, {"model": "claude"}


def pool(name: str, n: int, origin: object, male: float = 0.8, seed: int = 0) -> dict:
    rng = np.random.default_rng([seed, len(name), n])
    data = {
        "text": [" ".join(["word"] * size) + f" {name} {row}" for row, size in enumerate(rng.integers(1, 60, n).tolist())],
        "sex": rng.choice(["male", "female"], n, p=[male, 1 - male]).tolist(),
        "language": rng.choice(["en", "de", "fr"], n, p=[0.8, 0.15, 0.05]).tolist(),
        "age": rng.normal(40, 10, n).tolist(),
    }
    return {"name": name, "data": data, "origin": origin}


POOLS = [pool("human", 600, HUMAN), pool("gpt", 1500, GPT, 0.7), pool("claude", 900, CLAUDE, 0.6)]


def counted(frame: polars.DataFrame, column: str) -> dict:
    return dict(frame.group_by(column).len().iter_rows())


# Shares.


def test_shares_by_a_column_are_exact_by_largest_remainders_beside_an_exact_human_share():
    mixed = mix(pools=POOLS, rows=601, human_share=0.3, targets=[{"column": "sex", "shares": {"male": 0.5, "female": 0.5}}])
    frame = mixed.frame()
    assert counted(frame, "sex") == {"male": 301, "female": 300} and (frame["_origin"] == "human").sum() == 180
    ahead = np.cumsum((frame["_source"] == "human").to_numpy()) - 180 / 601 * np.arange(1, 602)
    assert np.abs(ahead).max() < 1
    (target,) = mixed.manifest["targets"]
    assert target["values"]["female"] | {"requested": 0.5, "rows": 300} == target["values"]["female"]
    assert mixed.plan.plain()["targets"] == mixed.manifest["targets"]


def test_several_targets_cross_without_losing_a_record():
    targets = [
        {"column": "sex", "parity": True},
        {"column": "language", "shares": {"en": 0.5, "de": {"at_least": 0.3, "at_most": 0.4}}},
        {"column": "_model", "shares": {"gpt": 0.25, "claude": 0.75}, "among": "synthetic"},
    ]
    frame = mix(pools=POOLS, rows=400, human_share=0.3, targets=targets).frame()
    assert counted(frame, "sex") == {"male": 200, "female": 200} and counted(frame, "_model") == {
        None: 120,
        "gpt": 70,
        "claude": 210,
    }
    languages = counted(frame, "language")
    assert languages["en"] == 200 and 120 <= languages["de"] <= 160 and sum(languages.values()) == 400


def test_weights_of_pools_and_quotas_per_prompt_family_hold_together():
    prompts = {"family": ["poem", "code", "chat"] * 100}
    pools = [
        {
            "name": name,
            "data": {"text": [f"{name} {row}" for row in range(300)], **prompts},
            "origin": {"model": name},
            "weight": weight,
        }
        for name, weight in (("a", 1), ("b", 2))
    ]
    frame = mix(pools=pools, rows=200, targets=[{"column": "family", "shares": {"poem": 0.1, "code": 0.2, "chat": 0.7}}]).frame()
    assert counted(frame, "family") == {"poem": 20, "code": 40, "chat": 140} and counted(frame, "_source") == {"a": 67, "b": 133}


def test_parity_leaves_out_rows_without_a_value_and_all_else_goes_on_as_usual():
    data = {"text": [f"{row}" for row in range(300)], "race": ["a"] * 150 + ["b"] * 50 + [None] * 100}
    mixed = mix(pools=[{"name": "h", "data": data, "origin": "human"}], targets=[{"column": "race", "parity": True}])
    assert counted(mixed.frame(), "race") == {"a": 51, "b": 50}  # as even as a whole number of rows can be
    pools = [{"name": "h", "data": data, "origin": "human"}]
    part = mix(pools=pools, rows=100, groups=["race"], targets=[{"column": "race", "shares": {"b": 0.5}}])
    assert counted(part.frame(), "race") == {"b": 50, "a": 30, None: 20}


def test_the_usual_share_is_that_of_the_mix_without_the_target_and_not_that_of_all_rows():
    """Half of 100 human and a tenth of 400 model rows are women: a mix with 40 % human rows has .4 · .5 + .6 · .1 = .26 of them, all rows have .18."""
    pools = [
        {"name": name, "data": {"text": [f"{name} {row}" for row in range(rows)], "sex": ["f"] * women + ["m"] * (rows - women)}, "origin": origin}
        for name, rows, women, origin in (("h", 100, 50, "human"), ("g", 400, 40, {"model": "g"}))
    ]  # fmt: skip
    asked = {"pools": pools, "rows": 100, "human_share": 0.4}
    (target,) = mix(asked | {"targets": [{"column": "sex", "shares": {"f": 0.5, "m": 0.5}}]}).manifest["targets"]
    assert [target["values"][sex]["usual"] for sex in "fm"] == pytest.approx([0.26, 0.74])
    assert counted(mix(asked | {"groups": ["sex"]}).frame(), "sex") == {"f": 26, "m": 74}


def test_a_mix_without_a_budget_is_as_large_as_the_targets_allow():
    mixed = mix(pools=POOLS, human_share=0.3, targets=[{"column": "sex", "parity": True}])
    for rows in (mixed.plan.total, mixed.plan.total + 9):
        try:
            mix(pools=POOLS, rows=rows, human_share=0.3, targets=[{"column": "sex", "parity": True}])
        except BadInput:
            assert rows > mixed.plan.total
        else:
            assert rows == mixed.plan.total
    assert mixed.frame()["_id"].is_unique().all()


def test_what_there_is_too_little_of_is_refused_with_what_can_be_had():
    asked = {"pools": POOLS, "rows": 2000, "human_share": 0.3}
    with pytest.raises(BadInput) as refused:
        mix(asked | {"targets": [{"column": "sex", "shares": {"male": 0.1, "female": 0.9}}]})
    said = str(refused.value)
    assert "\n" not in said and "sex = female must give 1,800 rows, and there are" in said
    options = dict(option.partition(": ")[::2] for option in said.partition("Nearest: ")[2].split("; or "))
    assert options.keys() == {"rows", "max_repeats", "shares of sex"}
    shares = {value: float(share) for value, share in (part.split(" ") for part in options["shares of sex"].split(", "))}
    for change in ({"rows": int(options["rows"])}, {"max_repeats": int(options["max_repeats"])}):
        assert mix(asked | change | {"targets": [{"column": "sex", "shares": {"male": 0.1, "female": 0.9}}]}).frame().height
    assert mix(asked | {"targets": [{"column": "sex", "shares": shares}]}).frame().height == 2000


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        ([{"column": "_origin", "shares": {"human": 0.5}}], "human_share and shares of _origin contradict each other"),
        ([{"column": "sex", "parity": True}, {"column": "sex", "shares": {"male": 0.9}}], "two targets are of 'sex' and contradict each other"),
        ([{"column": "_source", "shares": {"human": 0.1}}, {"column": "sex", "parity": True}], "human_share and shares of _source contradict"),
        ([{"column": "sex", "shares": {"male": 0.7, "female": 0.7}}], "add up to 1.4, which is more than 1"),
        ([{"column": "sex", "shares": {"malle": 0.7}}], "no row has sex = malle; did you mean 'male'"),
        ([{"column": "sexx", "parity": True}], "no column 'sexx'; did you mean 'sex'"),
        ([{"column": "sex", "parity": True, "shares": {"male": 1}}], "needs either shares or parity: true; write one of them"),
        ([{"column": "sex", "shares": {"male": 30}}], "write 0.3 for thirty percent"),
        ([{"column": "sex"}], "needs either shares or parity: true"),
        ([{"attribute": "words"}], "needs shares, parity, mean, at_least or at_most"),
        ([{"attribute": "wrods", "mean": 3}], "not an attribute; did you mean 'words'"),
        ([{"attribute": "words", "at_least": 9, "at_most": 3}], "at_least 9 is above at_most 3"),
        ([{"attribute": "words", "at_least": 9, "mean": 3}], "does not lie between"),
        ([{"column": "sex", "mean": 3}], "column 'sex' contains no numbers, but values such as '"),
        ([{"column": "age", "mean": 70}], "the mean of age cannot be 70: with the requested shares it can be from"),
        ([{"attribute": "words", "at_least": 900}], "no row of the pools lies within the bounds"),
        ([{"like": "no/such.csv"}], "no/such.csv"),
        ([{"need": "no/needs.yaml"}], "no/needs.yaml"),
        ([{"words": 3}], "a target needs column, attribute, like or need"),
        ("sex", "targets must be a list"),
    ],
)  # fmt: skip
def test_targets_that_cannot_be_are_refused_in_one_line(targets, said):
    with pytest.raises(BadInput) as refused:
        _ = mix(pools=POOLS, rows=300, human_share=0.3, targets=targets).manifest
    assert said in str(refused.value) and "\n" not in str(refused.value)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 25), st.integers(0, 25)), min_size=1, max_size=3),
    st.integers(1, 40),
    st.sampled_from([0.1, 0.25, 0.5, 1.0]),
    st.integers(1, 3),
)
def test_any_shares_are_exact_or_refused_with_options_that_can_be_had(sizes, rows, share, repeats):
    pools = [
        {
            "name": f"p{place}",
            "data": {"text": [f"{place} {row}" for row in range(a + b)], "kind": ["a"] * a + ["b"] * b},
            "origin": "human",
        }
        for place, (a, b) in enumerate(sizes)
    ]
    asked = {
        "pools": pools,
        "rows": rows,
        "max_repeats": repeats,
        "targets": [{"column": "kind", "shares": {"a": share, "b": 1 - share}}],
    }
    try:
        mixed = mix(asked)
    except BadInput as refused:
        said = str(refused)
        assert "\n" not in said
        for option in said.partition("Nearest: ")[2].split("; or "):
            key, _, value = option.partition(": ")
            if key in ("rows", "max_repeats"):
                assert mix(asked | {key: json.loads(value)}).frame().height
        return
    frame = mixed.frame()
    assert frame.height == rows and frame.group_by("text").len()["len"].max() <= repeats
    assert abs((frame["kind"] == "a").sum() - rows * share) < 1 and mix(asked).frame().equals(frame)


# Numbers.


def test_bounds_drop_rows_with_their_reason_and_the_funnel_adds_up():
    mixed = mix(pools=POOLS, targets=[{"attribute": "words", "at_least": 10, "at_most": 40}])
    words = mixed.frame()["text"].str.split(" ").list.len() - 1  # the number of a record is no word
    assert words.min() == 10 and words.max() == 40
    steps = mixed.manifest["funnel"]
    assert [step["step"] for step in steps] == [
        "available",
        "target: words below 10",
        "target: words above 40",
        "drawn at least once",
        "written",
    ]
    assert (
        steps[0]["rows"] - steps[1]["rejected"]["rows"] - steps[2]["rejected"]["rows"] == steps[3]["rows"] == mixed.frame().height
    )
    assert all(sum(step["pools"].values()) == step["rows"] for step in steps)


def test_a_mean_is_reached_to_one_record_and_the_rest_of_the_distribution_moves_as_little_as_it_can():
    """Exponential tilting of a normal distribution shifts it and keeps its variance: 4 standard errors of a variance."""
    age = np.random.default_rng(0).normal(0, 1, 20_000)
    pools = [{"name": "h", "data": {"text": [f"{row}" for row in range(20_000)], "age": age}, "origin": "human"}]
    mixed = mix(pools=pools, rows=1000, targets=[{"column": "age", "mean": 0.5}])
    drawn = mixed.frame()["age"].to_numpy()
    assert abs(drawn.mean() - 0.5) <= (age.max() - age.min()) / 1000
    assert abs(drawn.var() - 1) <= 4 * math.sqrt(2 / 1000)
    assert mixed.manifest["targets"][0]["realised"]["mean"] == pytest.approx(drawn.mean())


def test_two_means_and_shares_are_reached_together():
    targets = [{"column": "sex", "parity": True}, {"column": "age", "mean": 44}, {"attribute": "words", "mean": 20}]
    frame = mix(pools=POOLS, rows=300, human_share=0.3, targets=targets).frame()
    words = frame["text"].str.split(" ").list.len() - 1
    assert counted(frame, "sex") == {"male": 150, "female": 150} and (frame["_origin"] == "human").sum() == 90
    assert abs(frame["age"].mean() - 44) <= 80 / 300 and abs(words.mean() - 20) <= 60 / 300


def test_rows_for_which_an_attribute_raises_or_gives_nan_are_rejected_and_counted_up_to_a_limit():
    def odd(texts):
        if any(text.endswith("7") for text in texts):
            raise ValueError("a seven")
        return [float("nan") if text.endswith("3") else float(len(text)) for text in texts]

    pools = [{"name": "h", "data": {"text": [f"record {row}" for row in range(100)]}, "origin": "human"}]
    mixed = mix(pools=pools, targets=[{"attribute": odd, "at_least": 0, "failures": 0.2}])
    rejected = mixed.manifest["funnel"][1]
    assert rejected["rejected"]["rows"] == 20 and "odd (ValueError: a seven)" in rejected["step"] and mixed.frame().height == 80
    assert "20 of 100 rows are not drawn" in mixed.plan.warnings[0]
    with pytest.raises(
        BadInput, match=r"20 of 100 rows have no .*odd \(ValueError: a seven\), more than the fraction 0.1.*failures: 0.2"
    ):
        mix(pools=pools, targets=[{"attribute": odd, "at_least": 0}])
    with pytest.raises(BadInput, match="must return one number per text"):
        mix(pools=pools, targets=[{"attribute": lambda texts: [1.0], "at_least": 0}])


def test_another_function_gives_another_mix_in_the_ledger(tmp_path):
    pools = [{"name": "h", "data": {"text": [f"record {row}" for row in range(50)]}, "origin": "human"}]
    factor = [1.0]

    def length(texts):
        return [factor[0] * len(text) for text in texts]

    asked = {"pools": pools, "rows": 10, "targets": [{"attribute": length, "at_least": 9}]}
    first = mix(asked, out=tmp_path / "mix")
    assert mix(asked, out=tmp_path / "mix").manifest == first.manifest
    factor[0] = 1.5
    with pytest.raises(BadInput, match="contains another mix"):
        mix(asked, out=tmp_path / "mix")


def test_a_classifier_that_is_fitted_to_labels_is_an_attribute_with_its_held_out_area(tmp_path):
    rng = np.random.default_rng(0)
    kind, mean_words = ["lovely", "kind", "gentle", "warm"], ["awful", "vile", "nasty", "cruel"]
    said = [
        " ".join(rng.choice(kind if row % 2 else mean_words, 3).tolist() + rng.choice(["day", "sea", "hill"], 3).tolist())
        for row in range(200)
    ]
    polars.DataFrame({"text": said[:100], "class": [row % 2 for row in range(100)]}).write_csv(tmp_path / "labels.csv")
    pools = [{"name": "h", "data": {"text": said[100:]}, "origin": "human"}]
    attribute = {"labelled": {"file": str(tmp_path / "labels.csv"), "label": "class", "positive": "0"}}
    mixed = mix(pools=pools, targets=[{"attribute": attribute, "at_most": 0.5}])
    assert not any(word in text for text in mixed.frame()["text"] for word in mean_words)
    (target,) = mixed.manifest["targets"]
    assert target["classifier"]["held_out_auroc"] == 1 and target["classifier"]["n"] == 100
    with pytest.raises(BadInput, match=r"0 texts of label 'bad' and 100 others.*its labels are '0', '1'"):
        mix(pools=pools, targets=[{"attribute": {"labelled": attribute["labelled"] | {"positive": "bad"}}, "at_most": 0.5}])


def test_a_classifier_in_a_folder_is_an_attribute(tmp_path):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"?": 0, "good": 1, "bad": 2}, unk_token="?"))
    words.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(tokenizer_object=words, pad_token="?", unk_token="?").save_pretrained(tmp_path / "model")
    sizes = {
        "hidden_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 8,
        "max_position_embeddings": 16,
    }
    config = transformers.BertConfig(vocab_size=3, **sizes, id2label={0: "fine", 1: "toxic"}, label2id={"fine": 0, "toxic": 1})
    torch.manual_seed(0)
    network = transformers.BertForSequenceClassification(config).eval()
    network.save_pretrained(tmp_path / "model")
    texts = ["good good", "bad", "good bad bad", "other"]
    with torch.inference_mode():
        expected = [
            float(
                torch.softmax(network(torch.tensor([[{"good": 1, "bad": 2}.get(word, 0) for word in text.split()]])).logits, 1)[
                    0, 1
                ]
            )
            for text in texts
        ]
    attribute = {"folder_classifier": {"folder": str(tmp_path / "model"), "label": "toxic"}}
    bound = float(np.median(expected))
    mixed = mix(
        pools=[{"name": "h", "data": {"text": texts}, "origin": "human"}], targets=[{"attribute": attribute, "at_most": bound}]
    )
    assert set(mixed.frame()["text"]) == {text for text, share in zip(texts, expected, strict=True) if share <= bound}
    with pytest.raises(BadInput, match="has no label 'toxik'; did you mean 'toxic'"):
        mix(
            pools=[{"name": "h", "data": {"text": texts}}],
            targets=[{"attribute": {"folder_classifier": attribute["folder_classifier"] | {"label": "toxik"}}, "at_most": 1}],
        )


# Target distributions.


def test_density_ratios_follow_the_true_one_and_weigh_a_mean_to_the_target():
    """N(0, 1) to N(.5, 1): w(x) = exp(.5x − .125), ESS/n = e^−.25 = .7788 (science/mitigation.md §6.3)."""
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(4000, 1)), rng.normal(0.5, 1, size=(4000, 1))
    weights = density_ratio(source, target, rng)
    true = np.exp(0.5 * source[:, 0] - 0.125)
    assert np.average(source[:, 0], weights=weights) == pytest.approx(0.5, abs=0.08)
    assert np.average(source[:, 0], weights=true) == pytest.approx(0.494, abs=0.05)
    assert effective_size(true) / 4000 == pytest.approx(math.exp(-0.25), abs=0.02)
    assert effective_size(weights) / 4000 == pytest.approx(math.exp(-0.25), abs=0.08)
    assert np.corrcoef(weights, true)[0, 1] > 0.95 and weights.min() >= 0
    assert density_ratio(source, source.copy(), rng).std() < 0.2


def test_dsir_with_the_raw_texts_as_target_selects_uniformly(tmp_path):
    """Each of 40 texts is one of 10 with chance 1/4, long or short: chi-square over texts, 200 seeds, .1 % region of 39 degrees."""
    rng = np.random.default_rng(0)
    data = {"text": [" ".join(rng.choice(["a", "bee", "sea", "dee", "eel"], 4 + row)) for row in range(40)]}
    polars.DataFrame(data).write_ndjson(tmp_path / "raw.jsonl")
    place = {text: row for row, text in enumerate(data["text"])}
    pools, target = [{"name": "h", "data": data, "origin": "human"}], {"like": str(tmp_path / "raw.jsonl"), "shortest": 0}
    mixed = mix(pools=pools, rows=10, targets=[target])
    assert mixed.manifest["targets"][0]["effective_rows"] == pytest.approx(40)
    counts = np.zeros(40)
    for seed in range(200):
        counts[[place[text] for text in mix(pools=pools, rows=10, targets=[target], seed=seed).frame()["text"]]] += 1
    assert ((counts - 50) ** 2 / (200 * 0.25 * 0.75)).sum() * 39 / 40 < 72.1


def test_dsir_brings_hashed_ngrams_nearer_to_the_target_than_random_selection(tmp_path):
    rng = np.random.default_rng(0)
    sea, land = ["wave", "salt", "ship", "tide", "gull"], ["field", "plough", "barn", "wheat", "cow"]
    texts = [" ".join(rng.choice(sea if row % 4 == 0 else land, 120)) for row in range(200)]
    polars.DataFrame({"text": [" ".join(rng.choice(sea, 150)) for _ in range(20)]}).write_ndjson(tmp_path / "sea.jsonl")
    pools = [{"name": "h", "data": {"text": [*texts, "too short"]}, "origin": "human"}]
    mixed = mix(pools=pools, rows=40, targets=[{"like": str(tmp_path / "sea.jsonl")}])
    (target,) = mixed.manifest["targets"]
    apart = target["divergence_from_the_target"]
    assert apart["realised"] < min(apart["available"], apart["random"])
    assert all(text.split()[0] in sea for text in mixed.frame()["text"])
    step = mixed.manifest["funnel"][1]
    assert step["step"] == "target: fewer than 100 words and punctuation marks" and step["rejected"]["rows"] == 1
    with pytest.raises(BadInput, match="write shortest: 0"):
        mix(pools=[{"name": "h", "data": {"text": ["too short"]}}], targets=[{"like": str(tmp_path / "sea.jsonl")}])


def test_hashed_ngrams_are_those_of_the_paper():
    counted = hashed([["The cat"]])
    assert sorted(counted.numbers.tolist()) == sorted(
        int(number) for number in (_bucket("the"), _bucket("cat"), _bucket("the cat"))
    )
    same = hashed([["a b"], ["a b a b"]]).distribution()
    assert divergence(same, same) == 0 and divergence(same, hashed([["c d"]]).distribution()) > 1


def test_neither_batches_nor_what_is_remembered_change_hashed_ngrams(monkeypatch):
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(["wave", "salt", "ship", "tide"], int(size))) for size in rng.integers(0, 9, 50)]
    whole, rows = hashed([texts]), rng.integers(50, size=80)
    monkeypatch.setattr("outcross.text.hashed.TOGETHER", 7)
    monkeypatch.setattr("outcross.text.hashed.REMEMBERED", 0)
    parts = hashed([texts[:10], [], texts[10:]])
    target = hashed([["wave salt"]]).distribution()
    assert (whole.numbers == parts.numbers).all() and (whole.pieces == parts.pieces).all()
    assert (whole.distribution(rows) == parts.distribution(rows)).all()
    assert (whole.log_ratio(target, whole.distribution()) == parts.log_ratio(target, parts.distribution())).all()
    text_by_text = sum(hashed([[texts[row]]]).distribution() * hashed([[texts[row]]]).numbers.size for row in rows.tolist())
    assert whole.distribution(rows) == pytest.approx(text_by_text / text_by_text.sum())


def _bucket(gram: str) -> int:
    import hashlib

    return int.from_bytes(hashlib.sha256(gram.encode()).digest()) % 10_000


def test_ulsif_draws_towards_a_target_of_numbers(tmp_path):
    rng = np.random.default_rng(0)
    pools = [{"name": "h", "data": {"x": rng.normal(size=3000), "y": rng.normal(size=3000)}, "origin": "human"}]
    polars.DataFrame({"x": rng.normal(0.5, 1, 1000), "y": rng.normal(size=1000)}).write_csv(tmp_path / "target.csv")
    target = {"like": str(tmp_path / "target.csv"), "method": "ulsif", "columns": ["x", "y"]}
    frame = mix(pools=pools, rows=500, targets=[target]).frame()
    assert frame["x"].mean() == pytest.approx(0.5, abs=0.2) and frame["y"].mean() == pytest.approx(0, abs=0.2)


# What an audit found missing.


def test_what_an_audit_found_missing_is_filled_from_the_pools(tmp_path):
    rng = np.random.default_rng(1)

    def records(n):
        return {"x": rng.normal(size=n), "y": rng.normal(size=n), "sex": rng.choice(["man", "woman"], n)}

    human, many = polars.DataFrame(records(2000)), polars.DataFrame(records(6000))
    is_kept = ~((many["x"] > 0) & (many["y"] > 0)).to_numpy() & ((many["sex"] == "man").to_numpy() | (rng.random(6000) < 0.2))
    synthetic = many.filter(is_kept)[:2000]
    audit(synthetic, reference=human, groups=("sex",), aspects=("groups",), out=tmp_path / "audit")
    pools = [{"name": "human", "data": human, "origin": "human"}, {"name": "gpt", "data": synthetic, "origin": {"model": "g"}}]
    usual = mix(pools=pools, rows=1000, human_share=0.4).frame()
    mixed = mix(pools=pools, rows=1000, human_share=0.4, targets=[{"need": str(tmp_path / "audit"), "rows": 200}])
    frame, (target,) = mixed.frame(), mixed.manifest["targets"]
    assert sum(rule["asked_beyond_usual"] for rule in target["rules"]) == 200 and not any(
        rule["lacking"] for rule in target["rules"]
    )
    assert (frame["_origin"] == "human").sum() == 400
    women, corner = polars.col("sex") == "woman", (polars.col("x") > 0) & (polars.col("y") > 0)
    assert any(rule["rule"] == "sex = woman" for rule in target["rules"])
    assert all(rule["rows"] >= rule["usual"] + rule["asked_beyond_usual"] - 1 for rule in target["rules"])
    for mask in (women, corner):
        assert frame.filter(mask).height > usual.filter(mask).height + 20


def test_needs_are_met_as_far_as_pools_go_and_the_rest_is_told(tmp_path):
    needs = [
        {"rule": "age < 25", "conditions": [{"column": "age", "kind": "interval", "below": 25.0}], "missing_records": 500},
        {"rule": "lang is fr", "conditions": [{"column": "language", "kind": "among", "values": ["fr"]}], "missing_records": 100},
        {"rule": "like these", "conditions": [{"column": "text", "kind": "like"}], "missing_records": 10},
    ]
    (tmp_path / "needs.yaml").write_text(json.dumps({"schema": 1, "needs": needs}))
    mixed = mix(pools=POOLS, rows=1000, human_share=0.3, targets=[{"need": str(tmp_path / "needs.yaml")}])
    (target,) = mixed.manifest["targets"]
    young, french = target["rules"]
    assert young["lacking"] > 0 and french["rows"] <= french["available"]
    assert young["rows"] == (mixed.frame()["age"] < 25).sum() and french["rows"] == (mixed.frame()["language"] == "fr").sum()
    assert "like these" in target["notes"][0] and mixed.plan.plain()["targets"] == mixed.manifest["targets"]
    (tmp_path / "needs.yaml").write_text("{}")
    with pytest.raises(BadInput, match=r"is not a needs\.yaml of an audit"):
        mix(pools=POOLS, rows=10, targets=[{"need": str(tmp_path / "needs.yaml")}])


def test_a_condition_of_needs_with_an_unknown_key_is_refused_and_not_passed_over(tmp_path):
    condition = {"column": "text", "kind": "interval", "featur": "words", "below": 20.0}
    needs = [{"rule": "words of text < 20", "conditions": [condition], "missing_records": 5}]
    (tmp_path / "needs.yaml").write_text(json.dumps({"schema": 1, "needs": needs}))
    with pytest.raises(BadInput, match=r"'featur' of a condition is not known; did you mean 'feature'\?; write the file again"):
        mix(pools=POOLS, rows=10, targets=[{"need": str(tmp_path / "needs.yaml")}])


# Weights, and targets with splits.


def test_golden_weights_are_the_golden_ratio_and_only_where_human_data_are_fresh():
    assert [round(best_weight(human / synthetic), 4) for human, synthetic in ((100, 100), (100, 400), (200, 100))] == [
        0.618,
        0.3904,
        0.7321,
    ]
    pools = [POOLS[0] | {"fresh": True}, POOLS[1]]
    frame = mix(pools=pools, rows=400, human_share=0.5, weights="golden").frame()
    of_human = frame.filter(polars.col("_origin") == "human")["_weight"].sum()
    assert of_human / frame["_weight"].sum() == pytest.approx((math.sqrt(5) - 1) / 2) and frame["_weight"].mean() == pytest.approx(
        1
    )
    with pytest.raises(BadInput, match="write fresh: true for pool 'human' if they are"):
        mix(pools=POOLS[:2], rows=400, weights="golden")
    with pytest.raises(BadInput, match="pool 'web' has neither"):
        mix(pools=[*pools, {"name": "web", "data": {"text": ["a"]}}], weights="golden")


def test_the_golden_weight_makes_the_error_of_a_mean_smallest():
    """V(w) = (w² + k(1−w)²)/(w(2−w)) of the error of human rows alone, least at w* and w* there (He, Xu & Cheng 2025)."""
    for rows in ((100, 100), (100, 400), (200, 100)):
        k = rows[0] / rows[1]
        best = best_weight(k)
        error = [(w * w + k * (1 - w) ** 2) / (w * (2 - w)) for w in (best - 0.01, best, best + 0.01)]
        assert error[1] == pytest.approx(best) and error[1] < min(error[0], error[2])


def test_weights_of_pools_multiply_what_rows_say_of_themselves():
    pools = [POOLS[0], POOLS[1] | {"data": POOLS[1]["data"] | {"_weight": [2.0] * 1500}}]
    frame = mix(pools=pools, rows=100, human_share=0.5, weights={"gpt": 0.25}).frame()
    assert counted(frame, "_weight") == {1.0: 50, 0.5: 50}
    with pytest.raises(BadInput, match="weights names the pool 'gtp'; did you mean 'gpt'"):
        mix(pools=pools, weights={"gtp": 1})


def test_targets_are_of_the_training_rows_and_the_other_splits_stay_as_the_pools_are():
    splits = {"train": 0.8, "validation": 0.1, "test": 0.1}
    targets = [{"column": "sex", "parity": True}, {"attribute": "words", "at_least": 5}]
    mixed = mix(pools=POOLS, rows=500, human_share=0.2, splits=splits, targets=targets, match="rows", max_repeats=2)
    assert counted(mixed.frame(), "sex") == {"male": 200, "female": 200} and (mixed.frame()["_origin"] == "human").sum() == 80
    assert 0.65 < (mixed.frame("test")["sex"] == "male").mean() < 0.95 and set(mixed.frame("test")["_origin"]) == {"human"}
    words = polars.concat([mixed.frame(split) for split in splits])["text"].str.split(" ").list.len() - 1
    assert words.min() >= 5
    texts = [set(mixed.frame(split)["text"]) for split in splits]
    assert not (texts[0] & texts[1] or texts[0] & texts[2]) and not set(mixed.twin()["text"]) & (texts[1] | texts[2])


def test_targets_hold_in_characters_to_one_record_a_cell():
    mixed = mix(pools=POOLS, characters=20_000, human_share=0.5, targets=[{"column": "sex", "parity": True}])
    frame = mixed.frame().with_columns(size=polars.col("text").str.len_chars())
    assert abs(frame["size"].sum() - 20_000) <= 350
    assert abs(frame.filter(polars.col("sex") == "female")["size"].sum() - 10_000) <= 3 * 350


def test_resharding_changes_no_row_of_a_mix_with_targets(tmp_path):
    frame, frames = polars.DataFrame(POOLS[0]["data"]), []
    for count in (1, 4):
        folder = tmp_path / str(count)
        folder.mkdir()
        for number in range(count):
            frame.reverse()[number::count].write_ndjson(folder / f"{count - number}.jsonl")
        pools = [{"name": "human", "path": str(folder / "*.jsonl"), "origin": "human"}, POOLS[1]]
        targets = [{"column": "sex", "parity": True}, {"column": "age", "mean": 44}]
        frames.append(mix(pools=pools, rows=300, human_share=0.3, targets=targets).frame())
    assert frames[0].equals(frames[1])


def test_filters_come_first_and_splits_and_targets_are_of_what_they_leave(tmp_path):
    asked = {"pools": [*POOLS, POOLS[0] | {"name": "copies"}], "rows": 400, "human_share": 0.2}
    mixed = mix(
        asked
        | {
            "filters": ["drop_duplicates"],
            "splits": {"train": 0.9, "test": 0.1},
            "targets": [{"column": "sex", "parity": True}, {"attribute": "words", "at_least": 5}, {"column": "age", "mean": 42}],
            "weights": {"gpt": 0.5},
        },
        out=tmp_path / "mix",
    )
    frame, test = mixed.frame(), mixed.frame("test")
    assert counted(frame, "sex") == {"male": 180, "female": 180} and abs(frame["age"].mean() - 42) < 0.3 and test.height == 40
    assert not polars.concat([frame, test])["text"].is_duplicated().any()
    assert set(frame.filter(polars.col("_source") == "gpt")["_weight"]) == {0.5}
    steps = mixed.manifest["funnel"]
    for before, after in itertools.pairwise(steps[:-1]):
        assert before["rows"] - after["rejected"]["rows"] == after["rows"]
    assert [step["step"] for step in steps] == [
        "available", "1 drop_duplicates", "target: words below 5", "other splits", "drawn at least once", "written",
    ]  # fmt: skip
