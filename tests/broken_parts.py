"""Parts that each break a promise of their family on purpose."""

import random
import time
from dataclasses import dataclass

import numpy as np

from outcross.attributes import Attribute, AttributePage
from outcross.classifiers import Classifier
from outcross.data import HUMAN, Human, Plan, Take, part_of
from outcross.data.records import Vectors
from outcross.detectors import Detector, DetectorPage
from outcross.estimate import Estimate, Reading
from outcross.filters import Filter, FilterPage, Selection
from outcross.measures import Measure, Page
from outcross.models import Learner
from outcross.policies import Policy
from outcross.recipe import recipe
from outcross.sources import Source


def newest(inventory):
    return Plan((Take(what="models", rows=inventory.newest, back=1),))


@recipe
class TellsTheTime(Policy):
    """A record fewer in every other second."""

    def plan(self, inventory):
        rows = inventory.newest - int(time.time()) % 2
        return Plan((Take(what="models", rows=rows, back=1, choice="redrawn"),))


@recipe
class FlipsACoin(Policy):
    """A record fewer by chance."""

    def plan(self, inventory):
        return Plan((Take(what="models", rows=inventory.newest - (random.random() < 2), back=1, choice="redrawn"),))


@recipe
class TakesTooMuch(Policy):
    """Twice as many records as there are."""

    def plan(self, inventory):
        return Plan((Take(what="models", rows=2 * inventory.newest, back=1),))


@recipe
class TakesLessThanNothing(Policy):
    """It takes fewer records than none."""

    def plan(self, inventory):
        return Plan((Take(what="models", rows=-10),))


@recipe
class CountsUp(Policy):
    """It writes into the inventory."""

    def plan(self, inventory):
        plan = newest(inventory)
        inventory.totals[0] += 1
        return plan


@recipe
class Breaks(Policy):
    """It divides by nothing."""

    def plan(self, inventory):
        return newest(inventory) if inventory.human / 0 else None


@recipe
class NoArguments(Policy):
    """It takes no inventory."""

    def plan(self):
        return Plan((Take(what="human", rows=1),))


@recipe
class NoPlan(Policy):
    """It says nothing."""


@dataclass
class Thawed(Policy):
    """Anybody may change it."""

    def plan(self, inventory):
        return newest(inventory)


@recipe
class Replace(Policy):
    """It has the name of a built-in policy."""

    def plan(self, inventory):
        return newest(inventory)


@dataclass(frozen=True, eq=False)
class Point:
    """Normal noise around a middle."""

    middle: np.ndarray

    def sample(self, draw, prompts, rng):
        noise = rng.normal(size=(*self.middle.shape[:-1], draw.records, self.middle.shape[-1]))
        return Vectors(self.middle[..., None, :] + noise)

    def log_prob(self, records):
        return -np.square(records.array - self.middle[..., None, :]).sum(axis=-1) / 2

    def save(self, folder):
        np.savez(folder / "point.npz", middle=self.middle)


@recipe
class PointLearner(Learner):
    """The middle of the records."""

    learns = ("vectors",)
    takes_weights = False
    model = Point

    def fit(self, records, weights, start, training, rng):
        return type(self).model(records.array.mean(axis=-2))

    def load(self, folder):
        with np.load(folder / "point.npz", allow_pickle=False) as stored:
            return type(self).model(stored["middle"])


class TooFewModel(Point):
    def sample(self, draw, prompts, rng):
        return super().sample(draw, prompts, rng).take(np.arange(draw.records - 1))


@recipe
class TooFew(PointLearner):
    """Its model writes a record fewer than it is asked for."""

    model = TooFewModel


class PickledModel(Point):
    def save(self, folder):
        np.savez(folder / "point.npz", middle=np.array([{"middle": self.middle.tolist()}], dtype=object))


@recipe
class KeepsAPickle(PointLearner):
    """Its model is saved as a Python object."""

    model = PickledModel

    def load(self, folder):
        with np.load(folder / "point.npz", allow_pickle=True) as stored:
            return PickledModel(np.asarray(stored["middle"][0]["middle"]))


@recipe
class Centres(PointLearner):
    """It centres the records where they lie."""

    def fit(self, records, weights, start, training, rng):
        middle = records.array.mean(axis=-2)
        records.array[...] -= middle[..., None, :]
        return Point(middle)


@recipe
class Sorts(PointLearner):
    """It sorts the records where they lie, so that a second fit changes nothing more."""

    def fit(self, records, weights, start, training, rng):
        records.array.sort(axis=-2)
        return Point(records.array.mean(axis=-2))


class UnseededModel(Point):
    def sample(self, draw, prompts, rng):
        return super().sample(draw, prompts, np.random.default_rng())


@recipe
class Unseeded(PointLearner):
    """Its model has a random stream of its own."""

    model = UnseededModel


@recipe
class LearnsNothing(Learner):
    """It does not say what it learns."""

    def fit(self, records, weights, start, training, rng):
        return Point(records.array.mean(axis=-2))

    def load(self, folder):
        return Point(np.zeros(1))


def page(code):
    return Page(code, "breadth", "Largest less smallest.", "units", "that of human data", "0", "spread", "no paper")


@recipe
class ReadsNaN(Measure):
    """It is no number."""

    aspect = "spread"
    needs = ("vectors",)
    pages = {"breadth": page("XB1")}

    def __call__(self, evidence, rng):
        yield Reading("breadth", Estimate(float("nan"), None, None, "no interval", len(evidence.drawn)), None)


@recipe
class CentresWhatItReads(Measure):
    """It centres the drawn records where they lie, so that a second reading changes nothing more."""

    aspect = "spread"
    needs = ("vectors",)
    pages = {"breadth": page("XB7")}

    def __call__(self, evidence, rng):
        points = evidence.drawn.array
        points -= points.mean(axis=-2, keepdims=True)
        yield Reading("breadth", Estimate(float(points.std()), None, None, "no interval", len(evidence.drawn)), None)


@recipe
class NoPage(Measure):
    """Its reading has another name than its page."""

    aspect = "spread"
    needs = ("vectors",)
    pages = {"width": page("XB2")}

    def __call__(self, evidence, rng):
        yield Reading("breadth", Estimate(1.0, None, None, "no interval", len(evidence.drawn)), None)


@recipe
class TakesTheName(Measure):
    """Its reading has the name of another."""

    aspect = "spread"
    needs = ("vectors",)
    pages = {"log_variance": page("XB3")}

    def __call__(self, evidence, rng):
        yield Reading("log_variance", Estimate(1.0, None, None, "no interval", len(evidence.drawn)), None)


@recipe
class MixesChains(Measure):
    """It reads all chains as one."""

    aspect = "spread"
    needs = ("vectors",)
    pages = {"breadth": page("XB4")}

    def __call__(self, evidence, rng):
        yield Reading(
            "breadth", Estimate(float(np.ptp(evidence.drawn.array)), None, None, "no interval", len(evidence.drawn)), None
        )


@recipe
class TakesTheWidestChain(Measure):
    """It reads the greatest number of all chains."""

    aspect = "spread"
    needs = ("vectors",)
    pages = {"breadth": page("XB5")}

    def __call__(self, evidence, rng):
        yield Reading("breadth", Estimate(float(evidence.drawn.array.max()), None, None, "no interval", len(evidence.drawn)), None)


PAGE = FilterPage("a test", "No definition.", "It harms nobody.", "no paper")


@recipe
class WalksASet(Filter):
    """It keeps the first words of a set, whose order is that of Python's hashes."""

    page = PAGE

    def select(self, candidates, rng):
        first = list({word for text in candidates.texts for word in text.split()})[:3]
        return Selection(np.array([any(word in text for word in first) for text in candidates.texts]).astype(int))


@recipe
class Halves(Filter):
    """It keeps half of every candidate."""

    page = PAGE

    def select(self, candidates, rng):
        return Selection(np.full(len(candidates), 0.5))


@recipe
class NoReasons(Filter):
    """It says of those that it keeps why it rejects them."""

    page = PAGE

    def select(self, candidates, rng):
        times = (np.arange(len(candidates)) % 2).astype(int)
        return Selection(times, reason=np.zeros(len(candidates), int))


@recipe
class KeepsMore(Filter):
    """It says that it keeps one and keeps all."""

    page = PAGE

    def bounds(self, candidates):
        return 0, min(1, candidates)

    def select(self, candidates, rng):
        return Selection(np.ones(len(candidates), int))


@recipe
class NearTheMiddleOfAll(Filter):
    """It keeps what is near the middle of all chains together."""

    page = PAGE

    @property
    def needs(self):
        return ("points",)

    def select(self, candidates, rng):
        points = candidates.points
        far = np.abs(points - points.reshape(-1, points.shape[-1]).mean(axis=0)).max(axis=-1)
        return Selection((far <= 1.5).astype(int))


@recipe
class OutOfRange(Attribute):
    """The number of letters, said to be a fraction."""

    page = AttributePage("letters", "Letters.", "fraction", (0, 1), "Nothing.", "no paper")

    def __call__(self, given):
        return np.array([len(text) for text in given], dtype=np.float64)


@recipe
class TooShort(Attribute):
    """One number for all texts."""

    page = AttributePage("letters", "Letters.", "letters", (0, float("inf")), "Nothing.", "no paper")

    def __call__(self, given):
        return np.array([float(sum(map(len, given)))])


@dataclass(frozen=True)
class Law:
    """Normal points of mean 0, as it says."""

    shift: float = 0.0
    mean = np.zeros(1)
    covariance = np.eye(1)

    def draw(self, n, chains, rng):
        return Vectors(rng.normal(self.shift, size=(*chains, n, 1)))


@recipe
class Fewer(Source):
    """A record fewer than its rows."""

    rows: int = 100

    def open(self, form, chains, rng):
        return Human(training=part_of(HUMAN, Law().draw(self.rows - 1, chains, rng)), chains=chains)


@recipe
class Shifted(Source):
    """It draws around 1 and says 0."""

    rows: int = 100

    @property
    def truth(self):
        return Law(1.0)

    def open(self, form, chains, rng):
        return Human(training=part_of(HUMAN, self.truth.draw(self.rows, chains, rng)), truth=self.truth, chains=chains)


def different_words(texts):
    """How many different words each text has, (n, 1)."""
    return np.array([[float(len(set(text.split())))] for text in texts]).reshape(-1, 1)


class FewWords:
    """The fewer different words, the more a text looks like a model's."""

    def score(self, features):
        return -features[:, 0]


@recipe
class WordsDetector(Detector):
    """It counts different words."""

    page = DetectorPage("a test", "No definition.", "It knows no texts.", "no paper")

    def reader(self, given):
        return different_words

    def fit(self, features, is_model, groups, rng):
        return FewWords()


class ManyWords:
    def score(self, features):
        return features[:, 0]


@recipe
class UpsideDown(WordsDetector):
    """Its scores are higher for texts of people."""

    def fit(self, features, is_model, groups, rng):
        return ManyWords()


class OneScoreForAll:
    def score(self, features):
        return features.mean()


@recipe
class OneScore(WordsDetector):
    """It has one score for all texts."""

    def fit(self, features, is_model, groups, rng):
        return OneScoreForAll()


@recipe
class ComparesNeighbours(WordsDetector):
    """It reads a text less the mean of the texts beside it."""

    def reader(self, given):
        return lambda texts: different_words(texts) - (different_words(texts).mean() if texts else 0)


@recipe
class LosesTexts(WordsDetector):
    """It reads no text without words."""

    def reader(self, given):
        return lambda texts: different_words([text for text in texts if text.strip()])


class Learned:
    def __init__(self, sign):
        self.sign = sign

    def score(self, features):
        return self.sign * features[:, 0]


@recipe
class ForgetsItsFit(WordsDetector):
    """It learns the direction from the texts and keeps nothing of it."""

    def fit(self, features, is_model, groups, rng):
        return Learned(1.0 if features[is_model].sum() >= features[~is_model].sum() else -1.0)


@recipe
class FitsNothing(WordsDetector):
    """Its fit gives no scores."""

    def fit(self, features, is_model, groups, rng):
        return None


class Middles:
    """The nearest middle of a class, as probabilities of 0 and 1."""

    def __init__(self, middles):
        self.middles = middles  # (classes, d); NaN of a class without a record

    def predict(self, points):
        far = np.square(points[:, None] - self.middles).sum(axis=-1)
        return np.eye(len(self.middles))[np.nanargmin(far, axis=1)]

    def save(self, folder):
        np.savez(folder / "middles.npz", middles=self.middles)


@recipe
class NearestMiddle(Classifier):
    """The class whose middle is nearest."""

    paper = "no paper"

    def learn(self, rows, weights, start, rng):
        weights = np.ones(len(rows)) if weights is None else weights
        share = np.eye(rows.classes)[rows.labels].T * weights
        with np.errstate(invalid="ignore"):
            return self.model(share @ rows.points / share.sum(axis=1, keepdims=True))

    model = Middles

    def load_learned(self, folder):
        with np.load(folder / "middles.npz", allow_pickle=False) as stored:
            return self.model(stored["middles"])


class Votes(Middles):
    def predict(self, points):
        return 2 * super().predict(points)


@recipe
class GivesVotes(NearestMiddle):
    """It gives two votes and no probabilities."""

    model = Votes


@recipe
class IgnoresWeights(NearestMiddle):
    """It counts every record once."""

    def learn(self, rows, weights, start, rng):
        return super().learn(rows, None, start, rng)


class EveryClass(Middles):
    def predict(self, points):
        return 0.9 * super().predict(points) + 0.1 / len(self.middles)


@recipe
class NamesEveryClass(NearestMiddle):
    """It gives every class a chance, of which there is a record or not."""

    model = EveryClass


class PickledMiddles(Middles):
    def save(self, folder):
        np.savez(folder / "middles.npz", middles=np.array([{"middles": self.middles.tolist()}], dtype=object))


@recipe
class PicklesMiddles(NearestMiddle):
    """It is saved as a Python object."""

    model = PickledMiddles


@recipe
class TakesNaN(NearestMiddle):
    """It learns from anything."""

    def fit(self, rows, weights, start, rng):
        return self.learn(rows, weights, start, rng)
