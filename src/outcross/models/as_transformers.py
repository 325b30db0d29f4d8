"""What the library `transformers` reads of a model beside its weights: how it writes, and its tokenizer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

SPECIAL = ("bos", "eos", "pad")


def generation(ids: Mapping[str, Any]) -> bytes:
    """generation_config.json: greedy, and with `do_sample` from the whole law. Left out, top_k would be 50. `ids` are the special tokens'."""
    how = {"do_sample": False, "num_beams": 1, "temperature": 1.0, "top_k": 0, "top_p": 1.0, "repetition_penalty": 1.0}
    return as_json({f"{name}_token_id": ids[name] for name in SPECIAL if ids.get(name) is not None} | how)


def tokenizer(tokens: Mapping[str, str], length: int | None) -> bytes:
    """tokenizer_config.json: text that spells a special token is ordinary text. `tokens` are the special ones, `length` the longest text."""
    settings: dict[str, Any] = {"tokenizer_class": "PreTrainedTokenizerFast", "add_prefix_space": False}
    settings |= {"clean_up_tokenization_spaces": False, "split_special_tokens": True}
    settings |= {f"{name}_token": token for name, token in tokens.items()}
    return as_json(settings if length is None else settings | {"model_max_length": length})


def opened(tokenizer_json: str, start: str, number: int) -> bytes:
    """A tokenizer.json that puts the start token before every text."""
    first = {"SpecialToken": {"id": start, "type_id": 0}}
    text, second_text = ({"Sequence": {"id": name, "type_id": place}} for place, name in enumerate("AB"))
    processor = {
        "type": "TemplateProcessing", "single": [first, text], "pair": [first, text, second_text],
        "special_tokens": {start: {"id": start, "ids": [number], "tokens": [start]}},
    }  # fmt: skip
    return as_json(json.loads(tokenizer_json) | {"post_processor": processor})


def unopened(tokenizer_json: str) -> bytes:
    """A tokenizer.json that puts nothing before a text or behind it, as the tokenizers of many models do."""
    return as_json(json.loads(tokenizer_json) | {"post_processor": None})


def as_json(value: Any) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()
