"""A card says what is in the rows, exactly, to people and to machines, and nothing that a name says becomes a mark, a link or a key."""

import json
import re
from collections import Counter
from pathlib import Path

import polars
import pytest
import yaml
from markdown_it import MarkdownIt

from outcross import BadInput, card, mix, show
from outcross.files.plain_yaml import read as read_yaml
from outcross.files.reading import files_of
from outcross.verbs.card.croissant import SAYS, croissant
from outcross.verbs.card.readme import header, readme
from outcross.verbs.mix.provenance import PROVENANCE

HOSTILE = "x](http://evil.example)<script>alert(1)</script>|`*_$: {a}\n---\nlicense: mit\n# h &amp; www.evil.example 'q\" ![i](j)"
"""A name that would be a link, HTML, a cell, code, emphasis, YAML, a heading and a picture."""


def pools(folder: Path, human: int = 60, model: int = 140, **more) -> list[dict]:
    """A pool of people and one of two models, in files."""
    folder.mkdir(parents=True, exist_ok=True)
    languages = ["en", "de", "sw"]
    polars.DataFrame(
        {"text": [f"human {i}" for i in range(human)], "age": list(range(human)), "lang": [languages[i % 3] for i in range(human)]}
    ).write_parquet(folder / "h.parquet")
    polars.DataFrame(
        {
            "text": [f"model {i}" for i in range(model)],
            "age": [i % 40 for i in range(model)],
            "lang": [languages[i % 2] for i in range(model)],
            "by": ["gpt-x" if i % 2 else "qwen" for i in range(model)],
        }
    ).write_ndjson(folder / "g.jsonl")
    return [
        {"name": "human", "path": str(folder / "h.parquet"), "origin": "human"},
        {"name": "models", "path": str(folder / "g.jsonl"), "origin": {"author": "model"}, "model_column": "by"} | more,
    ]


def mixed(folder: Path, **asked):
    """A mix of 100 rows, 30 of people, in a folder of its own."""
    settings = {"rows": 100, "human_share": 0.3, "groups": ["lang"], "columns": ["text", "age", "lang"]} | asked
    return mix(pools=settings.pop("pools", None) or pools(folder), out=folder / "mix", **settings)


@pytest.fixture(scope="module")
def mix_and_card(tmp_path_factory):
    """A mix with its card."""
    folder = tmp_path_factory.mktemp("card")
    return mixed(folder, match="rows", max_repeats=2, shards=3), card(folder / "mix")


def front(text: str) -> dict:
    return yaml.safe_load(text.split("---\n")[1])


def test_the_composition_is_what_counting_the_rows_gives(mix_and_card):
    built, written = mix_and_card
    frame, composition = built.frame(), written.composition
    assert composition.rows == frame.height == 100
    for counts, column in (
        (composition.origins, "_origin"),
        (composition.sources, "_source"),
        (composition.groups["lang"], "lang"),
    ):
        assert counts == dict(Counter(frame[column]))
    synthetic = frame.filter(polars.col("_origin") == "model")
    assert composition.teachers == dict(Counter(synthetic["_model"])) and composition.generations == {"not said": 70}
    assert composition.synthetic_rows == 70 and composition.share(composition.synthetic_rows) == 0.7


def test_the_counts_of_the_card_are_those_of_the_rows(mix_and_card):
    built, written = mix_and_card
    for value, rows in Counter(built.frame()["lang"]).items():
        assert f"| {value} | {rows} | {rows / 100:g} |" in written.readme
    assert "| human | 30 | 0.3 |" in written.readme and "| model | 70 | 0.7 |" in written.readme
    assert "**100 rows, of which 30 (0.3) were written by people and 70 (0.7) were written by models.**" in written.readme
    assert f"`{built.manifest['sha256']}`" in written.readme


def test_the_header_is_one_that_the_hub_reads(mix_and_card):
    hub = pytest.importorskip("huggingface_hub")
    header = hub.DatasetCard(mix_and_card[1].readme).data.to_dict()
    assert header["license"] == "unknown" and header["size_categories"] == ["n<1K"] and "task_categories" not in header
    assert {"synthetic", "synthetic-share:0.7"} <= set(header["tags"])
    assert [config["config_name"] for config in header["configs"]] == ["default", "human-only"]
    assert front(card(mix_and_card[0].folder, license="cc-by-4.0", name="mine").readme)["license"] == "cc-by-4.0"
    card(mix_and_card[0].folder)


def test_hugging_face_datasets_loads_a_folder_with_its_card(mix_and_card, tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    for config, frame in (("default", mix_and_card[0].frame()), ("human-only", mix_and_card[0].twin())):
        loaded = datasets.load_dataset(str(mix_and_card[0].folder), config, cache_dir=str(tmp_path))
        assert loaded["train"]["_id"][:] == frame["_id"].to_list()


def test_the_splits_of_a_mix_are_splits_for_hugging_face_datasets(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    pools = [
        {"name": name, "data": {"text": [f"{name} {row}" for row in range(60)]}, "origin": origin}
        for name, origin in (("human", "human"), ("gpt", {"model": "gpt-x"}))
    ]
    mixed = mix(pools=pools, rows=40, splits={"train": 0.5, "test": 0.5}, out=tmp_path / "out")
    card(tmp_path / "out")
    loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert {name: loaded[name]["_id"][:] for name in loaded} == {
        name: mixed.frame(name)["_id"].to_list() for name in ("train", "test")
    }
    assert mixed.manifest["splits"]["train"]["families"] + mixed.manifest["splits"]["test"]["families"] == 120


def test_the_sizes_are_those_of_the_hub(mix_and_card):
    from dataclasses import replace

    described = mix_and_card[1].described
    for rows, size in ((999, "n<1K"), (1000, "1K<n<10K"), (10**7, "10M<n<100M"), (10**12, "n>1T")):
        assert header(replace(described, composition=replace(described.composition, rows=rows)))["size_categories"] == [size]


def test_the_mix_file_of_a_card_builds_the_same_rows(mix_and_card):
    built, written = mix_and_card
    block = re.search(r"```yaml\n(.*?)\n```", written.readme, re.DOTALL)
    assert block is not None
    assert mix(read_yaml(block[1], "the card")).manifest["sha256"] == built.manifest["sha256"]


def test_croissant_is_valid_and_reads_every_row(mix_and_card):
    reader = pytest.importorskip("mlcroissant")
    built, written = mix_and_card
    described = reader.Dataset(str(written.folder / "croissant.json"))
    assert not described.metadata.ctx.issues.errors and described.metadata.ctx.is_v1_1()
    rows = [{key.removeprefix("rows/"): value for key, value in row.items()} for row in described.records("rows")]
    frame = built.frame()
    assert [row["_id"].decode() for row in rows] == frame["_id"].to_list()
    assert [row["age"] for row in rows] == frame["age"].to_list()
    assert Counter(row["_origin"].decode() for row in rows) == Counter(frame["_origin"])


def test_croissant_says_where_the_files_and_the_rows_come_from(mix_and_card):
    built, written = mix_and_card
    described = written.croissant
    assert described["conformsTo"][0].endswith("/croissant/1.1") and described["rai:hasSyntheticData"] is True
    inputs = {f"urn:sha256:{digest}" for digest in built.manifest["inputs"].values()}
    assert {source["@id"] for source in described["prov:wasDerivedFrom"]} == inputs
    mixing, *writing = described["prov:wasGeneratedBy"]
    assert {used["@id"] for used in mixing["prov:used"]} == inputs
    assert sum(int(activity["prov:label"].split()[0]) for activity in writing) == 70
    files = [entry for entry in described["distribution"] if entry["@type"] == "cr:FileObject"]
    assert [(file["contentUrl"], file["sha256"]) for file in files] == [(s["file"], s["sha256"]) for s in built.manifest["shards"]]
    assert all({source["@id"] for source in file["prov:wasDerivedFrom"]} == inputs for file in files)
    fields = {field["name"]: field for field in described["recordSet"][0]["field"]}
    assert fields["_parents"]["equivalentProperty"] == "prov:wasDerivedFrom" and fields["_parents"]["isArray"]
    assert fields["_model"]["equivalentProperty"] == "prov:wasAttributedTo"


def test_the_items_of_the_template_say_what_rows_answer_and_what_they_cannot(mix_and_card):
    template = mix_and_card[1].training_content
    provider, modality, market, others = template["items"]
    assert provider["facts"] == {"rows": 100, "synthetic_rows": 70, "unknown_rows": 0} and "for whom" in provider["unknown"]
    assert modality["facts"] == ["text", "numbers"]
    assert {fact["model"]: fact["rows"] for fact in market["facts"]} == mix_and_card[1].composition.teachers and market["unknown"]
    assert others["facts"] == {"rows_without_model": 0} and others["unknown"]


def test_unknown_stays_unknown(tmp_path):
    unsaid = [{"name": "h", "data": {"text": ["a", "b"]}, "origin": "human"}, {"name": "u", "data": {"text": ["c", "d"]}}]
    mix(pools=[*unsaid, {"name": "m", "data": {"text": ["e"]}, "origin": {"author": "model"}}], out=tmp_path / "mix")
    written = card(tmp_path / "mix")
    tags = front(written.readme)["tags"]
    assert (
        "synthetic-share-at-least:0.2" in tags and "unknown-share:0.4" in tags and written.croissant["rai:hasSyntheticData"] is True
    )
    said = list(written.described.unknown())
    assert "Who wrote 2 of 5 rows." in said and any(sentence.startswith("Which model wrote 1 of 1 rows") for sentence in said)
    assert sum("given in memory" in sentence for sentence in said) == 3
    assert "2 rows of unknown origin may also be synthetic" in written.training_content["items"][0]["answer"]
    mix(pools=unsaid, out=tmp_path / "none")
    assert "rai:hasSyntheticData" not in card(tmp_path / "none").croissant
    mix(pools=unsaid[:1], out=tmp_path / "human")
    human = card(tmp_path / "human")
    assert human.croissant["rai:hasSyntheticData"] is False and "synthetic-share:0" in front(human.readme)["tags"]


def test_a_hostile_name_stays_a_name(tmp_path):
    frame = polars.DataFrame({"text": ["a", "b"], HOSTILE: ["u", HOSTILE]})
    named = {"name": HOSTILE[:180], "data": frame, "origin": {"model": HOSTILE, "revision": "\x1b[2J"}, "decoding": HOSTILE}
    mix(pools=[named, {"name": "h", "data": frame, "origin": "human"}], groups=[HOSTILE], out=tmp_path / "mix")
    written = card(tmp_path / "mix", name="n <i> `b` | [l](http://x.example)")
    assert front(written.readme)["license"] == "unknown" and set(front(written.readme)) == {
        "license", "pretty_name", "size_categories", "language_creators", "tags", "configs",
    }  # fmt: skip
    for text in (written.readme.split("---\n", 2)[2], (tmp_path / "mix" / "training-content.md").read_text()):
        tokens = [
            inner for token in MarkdownIt("commonmark").enable("table").parse(text) for inner in [token, *(token.children or [])]
        ]
        kinds = Counter(token.type for token in tokens)
        assert not kinds.keys() & {"html_block", "html_inline", "link_open", "image", "em_open", "hr"}, kinds
        rows = [line for line in text.splitlines() if line.startswith("| ")]
        assert all("\x1b" not in row for row in rows)
        assert "www.evil" not in re.sub(r"```yaml\n.*?\n```", "", text, flags=re.DOTALL)
    heads = [
        token
        for token in MarkdownIt("commonmark").enable("table").parse(written.readme.split("---\n", 2)[2])
        if token.type == "heading_open"
    ]
    assert len(heads) == 7
    reader = pytest.importorskip("mlcroissant")
    assert not reader.Dataset(str(tmp_path / "mix" / "croissant.json")).metadata.ctx.issues.errors
    assert [field["name"] for field in written.croissant["recordSet"][0]["field"]][1] == ascii(HOSTILE)[1:-1].replace("\\'", "'")


def test_what_card_did_not_write_is_never_replaced(tmp_path):
    mixed(tmp_path)
    place = tmp_path / "mix"
    (place / "README.md").write_text("mine")
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    with pytest.raises(
        BadInput,
        match=r"README\.md exists and was not written by card, or was changed since; move it, or choose another folder with --out",
    ):
        card(place)
    assert {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} == before
    written = card(place, out=tmp_path / "elsewhere")
    written_there = {path.name for path in (tmp_path / "elsewhere").iterdir()}
    assert written_there == {".outcross", "README.md", "croissant.json", "training-content.json", "training-content.md"}
    card(place, out=tmp_path / "elsewhere", license="mit")
    assert front(written.readme)["license"] == "mit"
    (tmp_path / "elsewhere" / "croissant.json").write_text("{}")
    with pytest.raises(BadInput, match=r"croissant\.json exists and was not written by card, or was changed since"):
        card(place, out=tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "croissant.json").unlink()
    (tmp_path / "elsewhere" / "croissant.json").symlink_to(place / "manifest.json")
    with pytest.raises(BadInput, match=r"croissant\.json exists and was not"):
        card(place, out=tmp_path / "elsewhere")


def test_a_mix_with_a_card_is_still_this_mix_and_its_data_are_its_rows(tmp_path):
    built = mixed(tmp_path)
    card(tmp_path / "mix")
    again = mixed(tmp_path)
    assert again.manifest == built.manifest and (tmp_path / "mix" / "README.md").is_file()
    assert show(tmp_path / "mix").frame().equals(built.frame())
    assert mix(pools=[{"name": "old", "path": str(tmp_path / "mix")}]).frame().height == 100
    (tmp_path / "mix" / "README.md").write_text("mine")
    with pytest.raises(BadInput, match=r"holds README\.md"):
        mixed(tmp_path)


def test_a_plain_folder_whose_rows_say_where_they_come_from_has_a_card(tmp_path):
    built = mixed(tmp_path)
    (tmp_path / "plain").mkdir()
    built.frame().drop("_parents").write_csv(tmp_path / "plain" / "rows.csv")
    written = card(tmp_path / "plain", groups="lang")
    assert written.composition.plain()["origins"] == {"human": {"rows": 30, "share": 0.3}, "model": {"rows": 70, "share": 0.7}}
    assert "Outcross did not mix the data" in written.readme and show(tmp_path / "plain").origins == {"human": 30, "model": 70}
    assert files_of(str(tmp_path / "plain")) == [tmp_path / "plain" / "rows.csv"]  # the .json of a card are no tables


def test_a_card_is_the_same_bytes_twice(mix_and_card):
    described = mix_and_card[1].described
    assert (
        readme(described) == mix_and_card[1].readme
        and croissant(described) == (mix_and_card[1].folder / "croissant.json").read_text()
    )


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "manifest.json").write_text('{"pools": 3, "sha256": 1}'), "not a manifest of a mix"),
        (lambda folder: next((folder / "data").iterdir()).unlink(), "missing or damaged"),
    ],
)
def test_a_damaged_mix_is_refused_in_one_line(tmp_path, spoil, said):
    mixed(tmp_path)
    spoil(tmp_path / "mix")
    for ask in (lambda: card(tmp_path / "mix"), lambda: show(tmp_path / "mix", id="abcdef")):
        with pytest.raises(BadInput, match=said) as refused:
            ask()
        assert "\n" not in str(refused.value)


def test_rows_that_are_not_what_the_manifest_says_are_refused(tmp_path):
    mixed(tmp_path)
    place = tmp_path / "mix" / "manifest.json"
    stored = json.loads(place.read_text())
    place.write_text(json.dumps(stored | {"origins": {"human": {"rows": 100, "share": 1.0}}}))
    with pytest.raises(BadInput, match=r"says 100 rows \(human 100\), and there are 100 \(human 30, model 70\)"):
        card(tmp_path / "mix")


@pytest.mark.parametrize(
    ("folder", "options", "said"),
    [
        ("none", {}, "no folder"),
        (".", {}, "none of the columns of provenance"),
        ("mix/human-only", {}, "is part of a mix"),
        ("mix", {"groups": "lnag"}, "has no column 'lnag'; did you mean 'lang'"),
        ("mix", {"out": "h.parquet"}, "is a file"),
        ("mix", {"license": "a\nb"}, "--license must be"),
        ("mix", {"name": "x" * 300}, "--name must be"),
    ],
)
def test_what_has_no_card_is_refused_in_one_line(tmp_path, folder, options, said):
    mixed(tmp_path, match="rows", max_repeats=2)
    options = options | ({"out": tmp_path / options["out"]} if "out" in options else {})
    with pytest.raises(BadInput, match=said):
        card(tmp_path / folder, **options)


def test_the_reference_page_names_every_column_with_its_term():
    page = (Path(__file__).parent.parent / "docs" / "reference" / "provenance.md").read_text()
    rows = dict(re.findall(r"^\| `(_\w+)` \|.*\| (\S+) \|$", page, re.MULTILINE))
    assert list(rows) == list(PROVENANCE) and {name: term.strip("`") for name, term in rows.items() if term != "–"} == SAYS
