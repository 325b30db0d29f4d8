"""Every built-in part with the settings that it cannot be made without, for the contracts."""

from pathlib import Path

from outcross.recipe import read
from outcross.verbs.parts import FAMILIES

NEEDED = {
    "human_share": {"share": 0.25},
    "fresh": {"human": 5},
    "weighted": {"weight": 0.3},
    "detector_weighted": {"share": 0.5, "detector": "oracle", "draws": 1.0},
    "array": {"array": "points.npy"},
    "path": {"path": "text.txt"},
    "labelled_table": {"path": "people.csv"},
    "hub": {"hub": "someone/something"},
    "server": {"url": "http://localhost:9/v1", "model": "someone"},
    "central": {"share": 0.4},
    "outlying": {"share": 0.4},
    "random": {"share": 0.4},
    "verify": {
        "rules": ["score > -0.5 and label in ('a', 'b')"],
        "patterns": {"text": "rain|snow"},
        "truth": "right",
        "answers": 2,
    },
    "noisy_check": {"truth": "label = 'a'", "keeps_correct": 0.9, "keeps_wrong": 0.3},
    "star": {"columns": ["label", "group"]},
    "importance": {"column": "q"},
    "best_of": {"by": {"column": "score"}},
    "route": {"rule": "reward", "reward": {"column": "score"}},
    "decontaminate": {"path": str(Path(__file__).parent / "contracts" / "test_set.txt"), "run": 3},
    "drop_boilerplate": {"texts": 2},
    "watermark": {"tokenizer": "folder"},
    "blend": {"detectors": ["classifier", "ngram"]},
}
"""What a member cannot be made without; of filters, settings by which they can judge the candidates of `outcross.testing`."""


def new_part(family, name, what="part"):
    return read(FAMILIES[family], {"kind": name} | NEEDED.get(name, {}), what)
