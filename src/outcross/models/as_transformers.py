"""The files that the library `transformers` reads beside a model's weights: generation settings and tokenizer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

SPECIAL = ("bos", "eos", "pad")


def generation(ids: Mapping[str, Any]) -> bytes:
    """Return generation_config.json: greedy decoding, and with `do_sample` sampling from the full law.

    If top_k were left out, transformers would use 50. `ids` are the numbers of the special tokens.
    """
    how = {"do_sample": False, "num_beams": 1, "temperature": 1.0, "top_k": 0, "top_p": 1.0, "repetition_penalty": 1.0}
    return as_json({f"{name}_token_id": ids[name] for name in SPECIAL if ids.get(name) is not None} | how)


def tokenizer(tokens: Mapping[str, str], length: int | None) -> bytes:
    """Return tokenizer_config.json. Text that spells a special token is ordinary text.

    `tokens` are the special tokens, `length` is the maximum number of tokens in a text.
    """
    settings: dict[str, Any] = {"tokenizer_class": "PreTrainedTokenizerFast", "add_prefix_space": False}
    settings |= {"clean_up_tokenization_spaces": False, "split_special_tokens": True}
    settings |= {f"{name}_token": token for name, token in tokens.items()}
    return as_json(settings if length is None else settings | {"model_max_length": length})


def opened(tokenizer_json: str, start: str, number: int) -> bytes:
    """Return tokenizer.json with a rule that puts the start token before every text."""
    first = {"SpecialToken": {"id": start, "type_id": 0}}
    text, second_text = ({"Sequence": {"id": name, "type_id": place}} for place, name in enumerate("AB"))
    processor = {
        "type": "TemplateProcessing", "single": [first, text], "pair": [first, text, second_text],
        "special_tokens": {start: {"id": start, "ids": [number], "tokens": [start]}},
    }  # fmt: skip
    return as_json(json.loads(tokenizer_json) | {"post_processor": processor})


def unopened(tokenizer_json: str) -> bytes:
    """Return tokenizer.json without the rule by which the tokenizers of many models add tokens before or after a text."""
    return as_json(json.loads(tokenizer_json) | {"post_processor": None})


def as_json(value: Any) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()
