"""Fairness feedback loops, in which classifiers label the data of generators and both learn from the result."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from outcross.classifiers import CLASSIFIERS, Classifier, Examples, FittedClassifier, most_likely_class
from outcross.classifiers.logistic import LogisticClassifier
from outcross.data.labelled import LabelledPoints
from outcross.data.records import Vectors
from outcross.errors import BadInput
from outcross.models import LEARNERS, Learner
from outcross.models.draw import Draw
from outcross.models.gaussian_mixture import GaussianMixture
from outcross.models.principal import Principal
from outcross.models.schedule import Scratch
from outcross.recipe import one_of, recipe
from outcross.statistics.cells import equalised, first_of_cells, independent, oversampled, spread_over
from outcross.wording import amount

Setting = Literal["SeqGenSeqClass", "SeqGenNonSeqClass", "SeqClass", "SeqGenOwnClass"]
Reparation = Literal["none", "star", "reweigh", "equalise", "oversample"]


def _generator() -> Learner:
    return Principal(components=20, learner=GaussianMixture(components=8, regularisation=1e-3))


@recipe
class Labelling(Learner):
    """A sequence of generators, and a sequence of classifiers that label and learn from the generators' records.

    Before the first generation two annotators are fitted on human records: one for classes, one for groups. At generation g a generator G_g is
    fitted to the training set. A classifier C_g is then fitted to the same number of records by G_g, which C_{g-1} labels (at g = 0 the class
    annotator). `setting` decides which of these are sequential:

    - SeqGenSeqClass: generator and classifier, as described above.
    - SeqGenNonSeqClass: the annotator labels the records at every generation.
    - SeqClass: the generator stays G_0.
    - SeqGenOwnClass: the generator writes the classes itself, as further columns.

    `reparation` curates the training records of C_g by these classes and by the groups, which the annotator assigns or the generator writes.
    The filters of `select` curate the training records of the generator, for example `select: [{kind: star, columns: [label, group]}]` with
    `draw.candidates: 3`. For a synthetic share below 1 use the policy `human_share`. Networks are trained from scratch at every generation. If
    the classifier trains in batches, star curates each batch separately.
    """

    paper = "Wyllie, Shumailov and Papernot, Fairness Feedback Loops, FAccT 2024, arXiv 2403.07857"
    libraries = ("numpy", "scikit-learn")
    learns = ("labelled",)
    continues = True

    generator: Annotated[Learner, one_of(LEARNERS, "learner.generator")] = field(default_factory=_generator)
    """The generator of points, a learner of vectors."""
    classifier: Annotated[Classifier, one_of(CLASSIFIERS, "learner.classifier")] = field(default_factory=LogisticClassifier)
    annotator: Annotated[Classifier, one_of(CLASSIFIERS, "learner.annotator")] = field(default_factory=LogisticClassifier)
    """The classifier that annotates classes and groups. Both annotators are fitted once, to the human records."""
    setting: Setting = "SeqGenSeqClass"
    groups: Literal["annotator", "generator"] = "annotator"
    """The source of the groups of generated records: the annotator of groups, or the generator, which then writes a column with the group."""
    reparation: Reparation = "none"
    """How the training records of the classifier are curated. `reweigh` assigns weights to the records, the others select among them."""
    extra: Annotated[float, Field(gt=0, le=100)] = 1.0
    """Number of additional records that star can choose from, as a fraction of the records that it keeps (R/B)."""

    @model_validator(mode="after")
    def _generates_points(self):
        learns: tuple[str, ...] = self.generator.learns
        if "vectors" not in learns:
            raise ValueError(
                f"generator must learn vectors, but {type(self.generator).__name__} learns {learns[0]}; choose another generator"
            )
        return self

    @property
    def takes_weights(self) -> bool:  # type: ignore[override]
        """Whether the generator can weigh records."""
        return self.generator.takes_weights

    @property
    def trains(self) -> bool:  # type: ignore[override]
        """Whether the generator has steps."""
        return self.generator.trains

    def schedule(self, training):
        scheduled = self.generator.schedule(training)
        if not isinstance(scheduled.start, Scratch):
            raise BadInput(
                "training.start must be scratch for labelling, because its networks are trained from scratch at every generation; write training.start: scratch"
            )
        return scheduled

    def check(self, draw):
        self.generator.check(draw)

    def get_ready(self):
        self.generator.get_ready()

    def begin(self, human, training, rng):
        people = human.training.records
        check_cells(people)
        of_classes, of_groups = (
            self.annotator.fit(Examples(people.array, labels, len(names)), None, None, rng)
            for labels, names in ((people.label, people.classes), (people.group, people.groups))
        )
        return LabellingModel(self, None, of_classes, of_classes, of_groups, people.take(np.zeros(0, dtype=int)), {})

    def fit(self, records, weights, start: Any, training, rng):
        generator = start.generator
        if generator is None or self.setting != "SeqClass":
            generator = self.generator.fit(Vectors(self.with_columns(records)), weights, None, training, rng)
        writer = LabellingModel(self, generator, start.classifier, start.of_classes, start.of_groups, start.like, {})
        curated, counted, facts = self._curated(lambda n: writer.written(n, rng), len(records), rng)
        classifier = self.classifier.fit(Examples(curated.array, curated.label, len(curated.classes)), counted, None, rng)
        return LabellingModel(self, generator, classifier, start.of_classes, start.of_groups, start.like, facts)

    def with_columns(self, records: LabelledPoints) -> np.ndarray:
        """Return the points with the columns of classes and groups that the generator writes itself, (n, d + columns)."""
        own = [records.label] * (self.setting == "SeqGenOwnClass") + [records.group] * (self.groups == "generator")
        return np.concatenate([records.array, *(column[:, None].astype(float) for column in own)], axis=1)

    def _curated(
        self, write: Callable[[int], LabelledPoints], wanted: int, rng: np.random.Generator
    ) -> tuple[LabelledPoints, np.ndarray | None, dict[str, Any]]:
        """Return the training records of a classifier, their weights (None if equal), and facts about the reparation."""
        if self.reparation == "star":
            size = getattr(self.classifier, "batch", wanted)
            sizes = [size] * (wanted // size) + [wanted % size] * (wanted % size > 0)
            parts, fill_ins = zip(
                *(star_batch(write, batch_size, round(self.extra * batch_size)) for batch_size in sizes), strict=True
            )
            return (
                LabelledPoints.concat(parts),
                None,
                {"fill_in": sum(fill_ins), "kept": wanted, "batches": len(sizes), "batch": size},
            )
        written = write(wanted)
        if self.reparation == "none":
            return written, None, {}
        if self.reparation == "reweigh":
            shares = written.counts / len(written)
            odds = np.divide(independent(written.counts), shares, out=np.zeros_like(shares), where=shares > 0)
            return written, odds.ravel()[written.cell], {}
        target = equalised(written.counts) if self.reparation == "equalise" else oversampled(written.counts)
        times = spread_over(written.cell, target.ravel(), rng)
        return written.take(np.repeat(np.arange(wanted), times)), None, {}

    def load(self, folder):
        description = json.loads((folder / "labelling.json").read_text())
        generator = self.generator.load(folder / "generator") if description["generates"] else None
        of_classes, of_groups = (self.annotator.load(folder / name) for name in ("of_classes", "of_groups"))
        classifier = self.classifier.load(folder / "classifier") if description["classifies"] else of_classes
        return LabellingModel(self, generator, classifier, of_classes, of_groups, LabelledPoints.load(folder), description["facts"])


def star_batch(write: Callable[[int], LabelledPoints], wanted: int, extra: int) -> tuple[LabelledPoints, int]:
    """Return a batch of `wanted` records curated by stratified reparation (STAR), and the number of fill-ins among them.

    Of wanted + extra records the first ⌊wanted/K⌋ of each of the K cells are kept. The missing records are fill-ins, which are newly generated
    and not curated.
    """
    offered = write(wanted + extra)
    quota = wanted // len(offered.cells)
    kept = offered.take(np.flatnonzero(first_of_cells(offered.cell, quota)))
    missing = wanted - len(kept)
    return (kept if missing == 0 else LabelledPoints.concat([kept, write(missing)])), missing


def check_cells(people: LabelledPoints) -> None:
    """Raise BadInput if there is only one class or group, if there are more cells than records, or if a cell is empty at the start."""
    named: dict[str, tuple[str, ...]] = {"label": people.classes, "group": people.groups}
    for what, names in named.items():
        if len(names) < 2:
            only = "".join(names)
            raise BadInput(
                f"the {what} of all {amount(len(people), 'record')} is {only!r:.80}, but fairness needs at least two values; name another column"
            )
    if len(people.cells) > len(people):
        raise BadInput(
            f"there are more cells of class and group ({len(people.cells)}) than records ({len(people)}); raise human.rows, or merge values"
        )
    empty = [name for name, count in zip(people.cells, people.counts.ravel(), strict=True) if count == 0]
    if empty:
        raise BadInput(
            f"the cell {empty[0]} has no record at the start, so it can never have any later; give it records, raise human.rows, or merge values"
        )


@dataclass(frozen=True, eq=False)
class LabellingModel:
    """A generator, the classifier that was fitted to its records, and the annotators that were fitted to the human records."""

    learner: Labelling
    generator: Any
    """The model of the generator; None before the first generation."""
    classifier: FittedClassifier
    of_classes: FittedClassifier
    of_groups: FittedClassifier
    like: LabelledPoints
    """An empty set of records, which holds the names of classes, groups and columns."""
    facts: dict[str, Any]
    """Facts about the reparation of the classifier's records, as plain data."""

    def written(self, n: int, rng: np.random.Generator, draw: Draw | None = None) -> LabelledPoints:
        """Return n records of the generator, with their predicted or generated classes and groups."""
        rows = self.generator.sample(draw or Draw(records=n), None, rng).array
        d = self.like.dimensions
        points, own = rows[:, :d], np.rint(rows[:, d:]).astype(np.int64)
        labels = (
            self.labelled(points) if self.learner.setting != "SeqGenOwnClass" else np.clip(own[:, 0], 0, len(self.like.classes) - 1)
        )
        if self.learner.groups == "generator":
            groups = np.clip(own[:, -1], 0, len(self.like.groups) - 1)
        else:
            groups = most_likely_class(self.of_groups, points, len(self.like.groups))
        return LabelledPoints(points, labels, groups, self.like.classes, self.like.groups, self.like.columns)

    def labelled(self, points: np.ndarray) -> np.ndarray:
        """Return the class by which the next generation labels each point, (n,)."""
        source = self.of_classes if self.learner.setting == "SeqGenNonSeqClass" else self.classifier
        return most_likely_class(source, points, len(self.like.classes))

    def sample(self, draw, prompts, rng) -> LabelledPoints:
        """Return records of the generator, labelled as for the next generation."""
        return self.written(draw.records, rng, draw)

    def log_prob(self, records: LabelledPoints) -> np.ndarray:
        """Return the log-density of the generator in nats, (n,)."""
        return self.generator.log_prob(Vectors(self.learner.with_columns(records)))

    def save(self, folder: Path) -> None:
        parts = {"generator": self.generator, "of_classes": self.of_classes, "of_groups": self.of_groups}
        classifies = self.classifier is not self.of_classes
        for name, part in (parts | ({"classifier": self.classifier} if classifies else {})).items():
            if part is not None:
                (folder / name).mkdir()
                part.save(folder / name)
        self.like.save(folder)
        description = {"generates": self.generator is not None, "classifies": classifies, "facts": self.facts}
        (folder / "labelling.json").write_text(json.dumps(description, sort_keys=True))
