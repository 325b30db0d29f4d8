"""Attributes that are learned from labels: a classifier that is fitted to a labelled file, and a classifier from a folder."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from outcross.attributes import Attribute, AttributePage
from outcross.errors import BadInput, missing_extra
from outcross.estimate import Estimate
from outcross.recipe import nearest, recipe
from outcross.text.texts import texts
from outcross.wording import amount

FOLDS = 5
"""Number of parts of the labelled texts. Each part is judged by a classifier that was fitted to the other parts."""
FEWEST = 10
"""Minimum number of texts of each label."""
TOGETHER = 32
"""Number of texts that a network reads at a time."""


@recipe
class Labelled(Attribute):
    """The probability of a label under a classifier that is fitted to a labelled file: logistic regression on TF-IDF of words and pairs of words."""

    file: str
    """A table with a column of texts and a column of labels."""
    label: str
    """The column of labels."""
    positive: str
    """The label whose probability is read, exactly as in the file."""
    text: str = "text"
    """The column of texts."""

    page = AttributePage(
        "probability of a label", "Logistic regression on TF-IDF of words and pairs of words, fitted to labelled texts.", "fraction", (0, 1),
        "It uses words without their meaning. It was fitted to other texts, so at best it predicts the labels of their annotators.", "Salton & Buckley, Inf. Process. Manag. 24:513 (1988)",
    )  # fmt: skip
    libraries = ("polars", "scikit-learn", "scipy")

    def __call__(self, given: Sequence[str]) -> np.ndarray:
        return _fitted(self).predict_proba(texts(given).strings)[:, 1] if len(given) else np.zeros(0)

    @property
    def area(self) -> Estimate:
        """Return the area under the ROC curve on unseen labelled texts, by five folds, with its 95 % interval (DeLong et al. 1988)."""
        from outcross.statistics.prediction import area_under_the_curve

        said, is_positive = _labelled(self)
        fold, score = _folds(is_positive), np.zeros(len(said))
        for part in range(FOLDS):
            own = np.flatnonzero(fold == part)
            model = _fit([said[row] for row in np.flatnonzero(fold != part).tolist()], is_positive[fold != part])
            score[own] = model.predict_proba([said[row] for row in own.tolist()])[:, 1]
        return area_under_the_curve(score, is_positive)

    @property
    def paths(self) -> tuple[str, ...]:
        """Return the files that it reads."""
        return (self.file,)


@recipe
class FolderClassifier(Attribute):
    """The probability of a label under a classifier that Hugging Face transformers saved to a folder."""

    folder: str
    """A folder that holds a classifier in safetensors."""
    label: str
    """The label whose probability is read, by its name in config.json."""

    page = AttributePage(
        "probability of a label", "Softmax over the labels of a sequence classifier; for a single output, its logistic function.", "fraction", (0, 1),
        "Texts are cut at the maximum length of the classifier. It knows only its training data.", "Wolf et al., EMNLP 2020 (demonstrations)",
    )  # fmt: skip
    libraries = ("torch", "transformers")

    def __call__(self, given: Sequence[str]) -> np.ndarray:
        import torch

        model, tokenizer, place = _classifier(self.folder, self.label)
        chances = [np.zeros(0)]
        strings = texts(given).strings
        for at in range(0, len(strings), TOGETHER):
            read = tokenizer(
                strings[at : at + TOGETHER],
                padding=True,
                truncation=True,
                max_length=_longest(model, tokenizer),
                return_tensors="pt",
            )
            with torch.inference_mode():
                logits = model(**read).logits.double()
            shares = torch.sigmoid(logits) if logits.shape[1] == 1 else torch.softmax(logits, dim=1)
            chances.append(shares[:, place].numpy())
        return np.concatenate(chances)

    @property
    def paths(self) -> tuple[str, ...]:
        """Return the files that it reads."""
        from outcross.models.causal_lm.folders import locate

        return tuple(str(file) for file in locate(self.folder).files)


@functools.lru_cache(4)
def _labelled(asked: Labelled) -> tuple[list[str], np.ndarray]:
    """Return the labelled texts, and whether each has the label. Raises BadInput if the file lacks a column or has too few texts."""
    import polars as pl

    from outcross.files.reading import read

    source = read(asked.file)
    for column in (asked.text, asked.label):
        if column not in source.columns:
            raise BadInput(
                f"{asked.file} has no column {column!r}{nearest(column, source.columns)}; it has {', '.join(source.columns)[:200]}"
            )
    columns = list(dict.fromkeys((asked.text, asked.label)))
    frame = pl.concat([batch.select(pl.col(columns).cast(pl.String)) for batch in source.batches(columns)]).drop_nulls()
    is_positive = (frame[asked.label] == asked.positive).to_numpy()
    if min(int(is_positive.sum()), int((~is_positive).sum())) < FEWEST:
        labels = sorted(frame[asked.label].unique().to_list())
        raise BadInput(
            f"{asked.file} has {amount(int(is_positive.sum()), 'text')} of label {asked.positive!r} and {int((~is_positive).sum()):,} others, but {FEWEST} of each are "
            f"needed{nearest(asked.positive, labels)}; its labels are {', '.join(map(repr, labels))[:200]}"
        )
    return texts(frame[asked.text]).strings, is_positive


def _folds(is_positive: np.ndarray) -> np.ndarray:
    """Return the fold of each text. The texts of each label are assigned to the folds in turn."""
    fold = np.empty(len(is_positive), np.int64)
    for side in (is_positive, ~is_positive):
        fold[side] = np.arange(int(side.sum())) % FOLDS
    return fold


@functools.lru_cache(4)
def _fitted(asked: Labelled) -> Any:
    return _fit(*_labelled(asked))


def _fit(said: list[str], is_positive: np.ndarray) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True, max_features=100_000)
    try:
        return make_pipeline(words, LogisticRegression(C=10.0, class_weight="balanced", max_iter=1000)).fit(said, is_positive)
    except ValueError as error:
        raise BadInput(f"no classifier can be fitted to the labelled texts ({error}); give longer texts, or more of them") from None


@functools.lru_cache(2)
def _classifier(folder: str, label: str) -> tuple[Any, Any, int]:
    """Return the network, its tokenizer, and the index of the label. Raises BadInput if the folder holds no readable classifier."""
    from outcross.models.causal_lm.folders import of_transformers

    try:
        from outcross.models.causal_lm.folders import locate
    except ImportError as error:
        raise missing_extra(error.name or "transformers", "lm") from None
    if not Path(folder).expanduser().is_dir():
        raise BadInput(f"there is no folder {folder}; give a folder to which transformers saved a classifier")
    place = locate(folder)

    def load(_: Any) -> tuple[Any, Any]:
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        model = AutoModelForSequenceClassification.from_pretrained(
            place.folder, local_files_only=True, trust_remote_code=False, use_safetensors=True
        )
        return model.eval(), AutoTokenizer.from_pretrained(place.folder, local_files_only=True, trust_remote_code=False)

    model, tokenizer = of_transformers(place, load)
    names = [str(model.config.id2label[number]) for number in range(model.config.num_labels)]
    if label not in names:
        raise BadInput(f"{folder} has no label {label!r}{nearest(label, names)}; its labels are {', '.join(names)[:200]}")
    if tokenizer.pad_token is None:
        raise BadInput(
            f"the tokenizer of {folder} has no pad_token, which is needed to read texts of several lengths; set pad_token in tokenizer_config.json"
        )
    return model, tokenizer, names.index(label)


def _longest(model: Any, tokenizer: Any) -> int:
    said = getattr(model.config, "max_position_embeddings", None)
    return int(min(tokenizer.model_max_length, said or 512, 8192))
