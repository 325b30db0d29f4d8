"""Networks of transformers: reading, random weights, checks against the vocabulary, and storage."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from outcross.errors import BadInput
from outcross.models.causal_lm.folders import ModelFiles, locate, of_transformers
from outcross.models.causal_lm.vocabulary import ModelVocabulary

LLAMA = {"model_type": "llama", "tie_word_embeddings": True, "rms_norm_eps": 1e-5}
SHAPES: dict[str, dict[str, Any]] = {
    "opt-125m": {"model_type": "opt"},
    "gpt2": {"model_type": "gpt2"},
    "smollm2-135m": LLAMA | {
        "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3,
        "max_position_embeddings": 8192, "rope_theta": 100_000.0,
    },
    "tiny": LLAMA | {
        "hidden_size": 128, "intermediate_size": 384, "num_hidden_layers": 3, "num_attention_heads": 2, "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
    },
}  # fmt: skip
"""Configurations of the named shapes in transformers. All other settings are its defaults, which give the models of 125 million weights for opt
and gpt2."""


def pretrained(model: str) -> PreTrainedModel:
    """Return a model with its weights in fp32. Raises BadInput if they cannot be read or are incomplete."""
    place = locate(model)
    if place.gguf is None and not list(place.folder.glob("*.safetensors")):
        pickles = sorted(file.name for pattern in ("*.bin", "*.pt", "*.pth", "*.ckpt") for file in place.folder.glob(pattern))
        content = f"only {pickles[0]}, a pickle, which can execute code when it is read" if pickles else "no weights"
        raise BadInput(
            f"{model} has {content}; give safetensors or GGUF (for a hub id, another @revision such as refs/pr/1 may have them)"
        )
    return of_transformers(place, _read)


def read(folder: Path) -> PreTrainedModel:
    """Return the network that `write` stored, in fp32."""
    return _read(ModelFiles(str(folder), folder))


def _read(place: ModelFiles) -> PreTrainedModel:
    read: Any = AutoModelForCausalLM.from_pretrained
    network, loading = read(
        place.folder, gguf_file=place.gguf, dtype=torch.float32, local_files_only=True, trust_remote_code=False, use_safetensors=True,
        output_loading_info=True,
    )  # fmt: skip
    if lost := sorted(loading["missing_keys"]) or sorted(map(str, loading.get("mismatched_keys", ()))):
        raise BadInput(f"{place.name} lacks weights, for example {lost[0]} ({len(lost)} in all); download it again")
    network.config.name_or_path = ""
    if network.generation_config is not None and (end := network.generation_config.eos_token_id) is not None:
        tokens = end if isinstance(end, list) else [end]
        if not all(isinstance(token, int) and 0 <= token < network.get_input_embeddings().weight.shape[0] for token in tokens):  # pyright: ignore[reportIndexIssue, reportAttributeAccessIssue]
            raise BadInput(
                f"{place.name} ends its texts with {str(end)[:80]!r}, which is not a token of its network; download it again"
            )
        network.config.eos_token_id = end  # generation_config.json is not stored, but the tokens that end a text are still needed.
    if hasattr(network.config, "quantization_config"):
        del network.config.quantization_config
    return network.eval()


def random(model: str, vocabulary: Any, rng: np.random.Generator) -> PreTrainedModel:
    """Return a network with the shape of this model and random weights, for a learned vocabulary."""
    if model in SHAPES:
        shape = dict(SHAPES[model])
        config = AutoConfig.for_model(shape.pop("model_type"), **shape)
    else:
        config = of_transformers(locate(model), _config)
    for name in ("eos_token_id", "pad_token_id", "unk_token_id"):
        setattr(config, name, None)
    config.vocab_size, config.bos_token_id = vocabulary.size, vocabulary.start
    config.name_or_path = ""
    return fresh(config, rng)


def _config(place: ModelFiles) -> Any:
    more = {} if place.gguf is None else {"gguf_file": place.gguf}
    return AutoConfig.from_pretrained(place.folder, local_files_only=True, trust_remote_code=False, **more)


def fresh(config: Any, rng: np.random.Generator) -> PreTrainedModel:
    """Return a network of this configuration, with random weights from the initialisation of its architecture."""
    with torchs_random(rng):
        return AutoModelForCausalLM.from_config(config, dtype=torch.float32, trust_remote_code=False).eval()


@contextlib.contextmanager
def torchs_random(rng: np.random.Generator) -> Iterator[None]:
    """Seed torch's global generator from this stream within the context, and restore its state afterwards.

    Initial weights and dropout need it, because they take no generator.
    """
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(int(rng.integers(2**63)))
        yield


def check(network: PreTrainedModel, vocabulary: ModelVocabulary | Any, block: int, model: str) -> None:
    """Raise BadInput if the network cannot generate with a cache, its embedding is smaller than the vocabulary, or a block exceeds its context."""
    rows = network.get_input_embeddings().weight.shape[0]  # pyright: ignore[reportIndexIssue, reportAttributeAccessIssue]
    ways = inspect.signature(network.forward).parameters
    if network.get_output_embeddings() is None or "logits_to_keep" not in ways or not {"cache", "past_key_values"} & ways.keys():
        raise BadInput(
            f"{model} is a {type(network).__name__}, which cannot generate token by token with a cache in transformers; give a model of another architecture"
        )
    written = getattr(vocabulary, "written", vocabulary.size)
    if written > rows:
        raise BadInput(
            f"the tokenizer of {model} has {written:,} tokens, but its network has only {rows:,}; give the tokenizer that belongs to this network"
        )
    longest = context(network.config)
    if longest is not None and block + 1 > longest:
        raise BadInput(f"a block of {block} tokens is longer than the context of {model}, which holds {longest}; lower block")


def context(config: Any) -> int | None:
    """Return the number of tokens that a model can read at once; None if its configuration sets no limit."""
    return getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None)


def rounded(network: PreTrainedModel, stored: Literal["fp32", "bf16"]) -> PreTrainedModel:
    """Round the weights of a network, in place, to the stored precision. The network then writes the same before and after storage."""
    if stored == "bf16":
        with torch.no_grad():
            for weights in network.parameters():
                weights.copy_(weights.bfloat16())
    return network


def write(network: PreTrainedModel, folder: Path, stored: Literal["fp32", "bf16"]) -> None:
    """Write config.json and model.safetensors in the format of transformers; the same network gives the same bytes.

    save_pretrained is not used, because it refuses models that were read from GGUF. A matrix that two layers share is written once, under its
    first name.
    """
    dtype = torch.bfloat16 if stored == "bf16" else torch.float32
    kept: dict[int, str] = {}
    state = network.state_dict()
    for name, weights in state.items():
        kept.setdefault(weights.data_ptr(), name)
    tensors = {name: state[name].detach().to("cpu", dtype).contiguous() for name in kept.values()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config = network.config.to_dict() | {"dtype": "bfloat16" if stored == "bf16" else "float32"}
    network.config.__class__.from_dict(config).to_json_file(folder / "config.json", use_diff=False)
