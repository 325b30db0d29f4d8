"""The finding of each check in plain English, with the value before and after."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from outcross.data.columns import moment
from outcross.escapes import RULE, shortened

if TYPE_CHECKING:
    from outcross.measures import Page
    from outcross.verbs.audit.check import Check

BARE = ("yes", "no", "true", "false", "none", "nan", "null", "other", "unknown")
"""Names of categories that occur in many columns, so that they need the name of the column."""
ENDS = (("upper ", "the highest "), ("lower ", "the lowest "))
"""Places in a column as they are written, and as they stand in a sentence."""


class CheckWords:
    """The finding of a check, as words for a sentence."""

    def __init__(self, check: Check):
        self.check = check
        self.value = check.value or 0.0
        self.real = check.real_vs_real or 0.0

    @cached_property
    def page(self) -> Page:
        from outcross.measures import pages_of_aspect

        return pages_of_aspect(self.check.aspect)[self.check.metric]

    @cached_property
    def column(self) -> str:
        return shortened(self.check.column)

    @cached_property
    def other(self) -> str:
        """The other column of a pair."""
        return shortened(self.check.at.removeprefix("with "))

    @cached_property
    def at(self) -> str:
        """The place in a column, or the rule of a region, in words."""
        at = self.check.at
        for end, words in ENDS:
            at = at.replace(end, words)
        return shortened(at, RULE)

    @cached_property
    def group(self) -> str:
        """The group in words: `Male (sex) and Black (race)`, or `RAC1P = 6` if the value is unclear without its column."""
        named = " and ".join(
            f"{shortened(value)} ({shortened(column)})" if is_telling(value) else f"{shortened(column)} = {shortened(value)}"
            for column, value in parts_of_group(self.check)
        )
        return named or shortened(self.check.group)

    @cached_property
    def is_named(self) -> bool:
        """Whether every value of the group is clear without its column."""
        return all(is_telling(value) for _, value in parts_of_group(self.check))

    @cached_property
    def among(self) -> str:
        return f" among {self.group}" if self.check.group else ""

    @cached_property
    def of_column(self) -> str:
        return f" of {self.column}" if self.check.column else ""

    @cached_property
    def in_column(self) -> str:
        """The column of the texts; empty if its name says no more than that it holds texts."""
        return "" if self.check.column.lower() in ("", "text", "texts") else f" in {self.column}"

    @property
    def moved(self) -> str:
        check = self.check
        if check.before is not None and check.after is not None and check.before != check.after:
            return "fell" if check.after < check.before else "rose"
        return "fell" if self.value < self.real else "rose"

    @cached_property
    def before(self) -> str:
        return self._in_unit(self.check.before)

    @cached_property
    def after(self) -> str:
        return self._in_unit(self.check.after)

    def _in_unit(self, value: float | None) -> str:
        return written(value) if value is None or not self.check.unit else moment(value, self.check.unit)

    @cached_property
    def of_records(self) -> str:
        """The share of records before and after, for a ratio of shares."""
        if self.check.about >= 1:
            return f"{self.moved} to {percent(self.value)} of the human share"
        return f"{self.moved} from {percent(self.check.about)} to {percent(self.check.about * self.value)} of records"

    @cached_property
    def from_to(self) -> str:
        """The value before and after, for a share."""
        return f"{self.moved} from {percent(self.real)} to {percent(self.value)}"

    @cached_property
    def rest_from_to(self) -> str:
        """The complement of a share before and after."""
        return (
            f"{'rose' if self.value < self.real else 'fell'} from {percent(1 - self.real)} to {percent(max(0.0, 1 - self.value))}"
        )

    @cached_property
    def of_human(self) -> str:
        """A ratio as a percentage or a multiple of the human value."""
        return f"{percent(self.value)} of" if self.value < 2 else f"{self.value:.2g} times"

    @cached_property
    def spread(self) -> str:
        """The ratio of the widths, for a ratio of variances or of widths."""
        ratio = max(0.0, self.value)
        return percent(ratio**0.5 if self.page.change == "variance" else ratio)

    @cached_property
    def points(self) -> str:
        return f"{abs(100 * (self.value - self.real)):.2g} percentage points"


def parts_of_group(check: Check) -> list[tuple[str, str]]:
    """Return the columns of a group with their values. Names and values may contain commas and equals signs.

    The column of a check of an intersection is the names of the columns of its group, joined by +.
    """
    columns = check.column.split("+")
    for names in ([check.column], columns):
        values = re.fullmatch(", ".join(f"{re.escape(name)}=(.*)" for name in names), check.group, re.DOTALL)
        if values:
            return list(zip(names, values.groups(), strict=True))
    parts = re.split(", (?=[^,=]+=)", check.group)
    return [(column, value) for column, equals, value in (part.partition("=") for part in parts) if equals]


def columns_of_direction(check: Check) -> list[str]:
    """Return the columns with the largest weights in a principal direction, the largest first."""
    return [name[1:] for name in re.split(", (?=[+-])", check.at.partition("(")[2].removesuffix(")")) if name]


def is_telling(value: str) -> bool:
    """Whether the name of a category is clear without its column. Numbers, single letters, yes and no are not.

    >>> [is_telling(value) for value in ("Male", "<=50K", "yes", "m", "6")]
    [True, True, False, False, False]
    """
    return sum(map(str.isalpha, value)) > 0 and len(value) > 1 and value.lower() not in BARE


def clause(check: Check) -> str:
    """Return the finding of a check in plain English: `Male (sex) fell from 40 % to 5 % of records`."""
    finding = CheckWords(check)
    phrase = PHRASES.get(check.metric, generic)(finding)
    return phrase if finding.group in phrase else phrase + finding.among


def generic(finding: CheckWords) -> str:
    """Return the finding of a check without a phrase of its own, built from its title and unit."""
    about = f"{finding.page.title}{finding.of_column}{finding.among}"
    if finding.page.unit == "ratio":
        return f"{about} {finding.moved} to {finding.of_human} the human value"
    if finding.page.unit == "fraction" and finding.page.values == (0.0, 1.0):
        return f"{about} {finding.from_to}"
    return f"{about} {finding.moved} by {finding.points if finding.page.unit == 'fraction' else f'{abs(finding.value - finding.real):.2g}'}"


def _column(finding: CheckWords) -> str:
    if finding.value == 0:
        return f"column {finding.column} is gone"
    return f"records with a value of {finding.column} {finding.of_records.removesuffix(' of records')}"


def _spread(finding: CheckWords) -> str:
    if finding.value < 1e-6:
        return f"all values of {finding.column}{finding.among} are the same"
    return f"the spread of {finding.column}{finding.among} {finding.moved} to {finding.spread} of the human one"


def _group(finding: CheckWords) -> str:
    name = finding.group or finding.column
    if finding.check.group and not finding.is_named:
        if finding.value == 0:
            return f"no record has {name} ({percent(finding.check.about)} of human ones)"
        return f"records with {name} {finding.of_records.removesuffix(' of records')}"
    together = " together" if len(parts_of_group(finding.check)) > 1 else ""
    if finding.value == 0:
        return f"{name} never {'occur' if together else 'occurs'}{together}"
    return f"{name}{together} {finding.of_records}"


def _region(finding: CheckWords) -> str:
    if finding.value == 0:
        return f"no record has {finding.at} ({percent(finding.check.about)} of human ones)"
    return f"records with {finding.at} {finding.of_records.removesuffix(' of records')}"


def _cluster(finding: CheckWords) -> str:
    if finding.value == 0:
        return f"a cluster of similar records with {percent(finding.check.about)} of the human ones is empty"
    return f"a cluster of similar records {finding.of_records}"


def _end(finding: CheckWords) -> str:
    if finding.value == 0:
        return f"{finding.at} of {finding.column} never occur"
    return f"{finding.at} of {finding.column} {finding.of_records}"


def _location(finding: CheckWords) -> str:
    if finding.check.before is not None and finding.check.after is not None and finding.check.before != finding.check.after:
        moved = finding.moved if not finding.check.unit else "moved"
        return f"the median of {finding.column} {moved} from {finding.before} to {finding.after}"
    higher = finding.value > 0.5
    share = percent(finding.value if higher else 1 - finding.value)
    return f"a value of {finding.column} is {'higher' if higher else 'lower'} than a human one in {share} of pairs (50 % if nothing has changed)"


def _rare(finding: CheckWords) -> str:
    if finding.value == 0:
        return f"rare categories of {finding.column} never occur"
    return f"rare categories of {finding.column} {finding.of_records}"


def _link(finding: CheckWords) -> str:
    if finding.check.before is None or finding.check.after is None:
        return f"the link between {finding.column} and {finding.other} weakened by {abs(finding.value - finding.real):.2g}"
    before, after = finding.check.before, finding.check.after
    verb = "weakened" if before * after >= 0 else "changed its sign,"  # a rank correlation has one
    return f"the link between {finding.column} and {finding.other} {verb} from {before:.2f} to {after:.2f}"


def _corner(finding: CheckWords) -> str:
    end, _, other_end = finding.at.partition(" with ")
    return f"records with both {end} of {finding.column} and {other_end} {finding.of_records.removesuffix(' of records')}"


def _direction(finding: CheckWords) -> str:
    joined = " and ".join(map(shortened, columns_of_direction(finding.check))) or finding.at
    return f"the joint spread of {joined} {finding.moved} to {finding.spread} of the human one"


def _categories(finding: CheckWords) -> str:
    if finding.check.before is None or finding.check.after is None:
        return f"the variety of {finding.column}{finding.among} fell to {percent(finding.value)} of the human one"
    before, after = (f"{number:.3g}" for number in (finding.check.before, finding.check.after))
    return f"the values of {finding.column} are less varied{finding.among}, as with {after} equally common categories instead of {before}"


def _pairs(finding: CheckWords) -> str:
    if finding.value <= 0:
        return "equal records are far more common than among human ones"
    return f"equal records are {written(float(f'{1 / finding.value:.2g}'))} times as common as among human ones"


def _ranks(finding: CheckWords) -> str:
    learner = f"a model trained on these data ({finding.check.at})" if finding.check.at else "a model trained on these data"
    if finding.check.before is None or finding.check.after is None:
        return f"{learner} separates cases of {finding.column} less well by {abs(finding.value):.2g}"
    return f"{learner} separates cases of {finding.column} less well: from {finding.check.before:.2f} to {finding.check.after:.2f} (1 is without error)"


def _loss(finding: CheckWords) -> str:
    return f"a model trained on these data predicts {finding.column}{finding.among} worse: its loss is {finding.value:.3g} times that of one trained on human records"


def _tail(finding: CheckWords) -> str:
    return f"the far tail of {finding.column} is {'cut short or lighter' if finding.value < finding.real else 'heavier'} (tail index {finding.value - finding.real:+.2g})"


PHRASES: Mapping[str, Callable[[CheckWords], str]] = {
    # spread
    "variance": _spread,
    "interquartile_range": lambda f: f"the middle half of {f.column} {'narrowed' if f.value < f.real else 'widened'} to {f.spread} of its human width",
    "direction": _direction,
    "location": _location,
    # tails
    "mass": _end,
    "tail_index": _tail,
    "rare_categories": lambda f: f"{percent(f.value)} of the rare categories of {f.column} occur, where {percent(f.real)} would occur among as many fresh human records",
    "rare_mass": _rare,
    "beyond_range": lambda f: f"{percent(f.value)} of records lie outside the human range of {f.column}",
    "unseen_categories": lambda f: f"{percent(f.value)} of records are in categories of {f.column} that no human record has",
    "rare_words": lambda f: f"of the words that people use {_often(f.at)}, {percent(min(1.0, f.value))} are left{f.in_column}",
    "rare_words_beyond_prompt": lambda f: f"of the words that people use {_often(f.at)} beyond the prompt, {percent(min(1.0, f.value))} are left",
    # groups
    "share": _group,
    "category_share": _group,
    "category_growth": _group,
    "spread_inside": _spread,
    # coverage
    "precision": lambda f: f"records unlike any human one {f.rest_from_to}",
    "recall": lambda f: f"human records unlike any synthetic one {f.rest_from_to}",
    "density": lambda f: f"records lie where human ones are sparse: {f.of_human} the human density",
    "coverage": lambda f: f"human records with no synthetic one near by {f.rest_from_to}",
    "clusters": _cluster,
    "pair_support": lambda f: f"the share of human pairs of values that no synthetic record has {f.rest_from_to}",
    "region": _region,
    # copying
    "exact": lambda f: f"{percent(f.value)} of records are exact copies of human ones",
    "near": lambda f: f"{percent(f.value)} of records lie nearer to the reference than to the holdout, where 50 % means that nothing is copied",
    "closest": lambda f: f"among the closest records, {percent(abs(f.value))} more lie nearer to the reference than to the holdout",
    "verbatim": lambda f: f"texts copied word for word {f.from_to}",
    "longest_run": lambda f: f"texts with a long run of copied words {f.from_to}",
    # diversity
    "distinct_rows": lambda f: f"distinct records{f.among} {f.moved} to {percent(f.value)} of the human number",
    "near_duplicates": lambda f: f"records with a near duplicate {f.from_to}",
    "effective_rows": _pairs,
    "vendi": lambda f: f"the variety of kinds of records{f.among} {f.moved} to {percent(f.value)} of the human one",
    "effective_categories": _categories,
    "distinct_values": lambda f: f"distinct values of {f.column} {f.moved} to {percent(f.value)} of the human number",
    "zipf_slope": lambda f: f"a few words make up more of the texts{f.in_column}: Zipf's slope {f.moved} to {f.of_human} the human value",
    "mtld": lambda f: f"the variety of words inside a text{f.in_column} {f.moved} to {percent(f.value)} of the human one",
    "hapax_share": lambda f: f"the share of words that occur only once{f.in_column} {f.moved} to {f.of_human} the human value",
    "repetition": lambda f: f"the repetition inside texts{f.in_column} {f.from_to}",
    "copied_values": lambda f: f"values of {f.column} copied digit by digit {f.from_to}",
    "repeated_texts": lambda f: f"texts that repeat another text exactly {f.from_to}",
    "alike_texts": lambda f: f"texts that nearly repeat another text {f.from_to}",
    "vocabulary_ratio": lambda f: f"the vocabulary{f.in_column} {f.moved} to {percent(f.value)} of the human one",
    "distinct_n": lambda f: f"distinct runs of {f.at}{f.in_column} {f.moved} to {percent(f.value)} of the human number",
    "word_entropy": lambda f: f"the effective number of words{f.in_column} {f.moved} to {percent(f.value)} of the human one",
    "compression": lambda f: f"texts{f.in_column} repeat each other: compressed, they are {percent(f.value)} as long as human ones",
    "self_bleu": lambda f: f"the similarity of texts{f.in_column} to each other {f.moved} to {f.of_human} the human value",
    # structure
    "column": _column,
    "correlation": _link,
    "correlation_ratio": _link,
    "cramer": _link,
    "tail_dependence": _corner,
    "missing": lambda f: f"missing values of {f.column} fell by {f.points}",
    "gone_missing": lambda f: f"missing values of {f.column} rose by {f.points}",
    "sketch": lambda f: f"values of {f.column} ({f.at}) {f.moved} to {percent(f.value)} of their human share",
    "autocorrelation": lambda f: f"neighbouring values of {f.column} ({f.at}) are less correlated: the autocorrelation is lower by {abs(f.value):.2g}",
    "lasting": lambda f: f"distant values of {f.column} ({f.at}) are less correlated: the autocorrelation is lower by {abs(f.value):.2g}",
    "spectral_entropy": lambda f: f"{f.column} has fewer rhythms: its spectral entropy is {percent(f.value)} of the human one",
    "series_variance": lambda f: f"the spread within one series of {f.column} ({f.at}) {f.moved} to {f.spread} of the human one",
    "entropy_rate": lambda f: f"the next value of {f.column} is less predictable (the entropy rate is higher by {abs(f.value):.2g})",
    "transitions": lambda f: f"{percent(f.value)} of the steps of {f.column} from one value to the next differ from human ones, where {percent(f.real)} is usual",
    "band": lambda f: f"{SWINGS.get(f.check.at, f.at)} of {f.column} {f.moved} to {percent(f.value)} of their human strength",
    # use
    "loss": _loss,
    "loss_inside": _loss,
    "brier": lambda f: f"a model trained on these data predicts {f.column} worse: its squared error is {f.value:.3g} times that of one trained on human records",
    "discrimination": _ranks,
    "mixed_loss": lambda f: f"if half of the training data come from this set, the loss on {f.column} is {f.value:.3g} times the human one",
    "timid": lambda f: f"a model trained on these data is too unsure of {f.column}, as with noisy labels (calibration slope {f.value:.2f} times the human one)",
    "overconfident": lambda f: f"a model trained on these data is too sure of {f.column} (calibration slope {f.value:.2f} times the human one)",
    # text quality
    "attribute_beyond_range": lambda f: f"{percent(f.value)} of texts lie outside the human range of {_attribute(f.at)}",
    "spread": lambda f: f"texts differ less in {_attribute(f.at)}{f.among}: the spread {f.moved} to {f.spread} of the human one",
    "ends": lambda f: f"texts in {_at_end(f.at)} {f.of_records.removesuffix(' of records')}" if f.value else f"texts in {_at_end(f.at)} never occur",
    "unlikely": lambda f: f"texts less likely than 99 % of human ones {f.from_to}",
    "surprise": lambda f: f"texts are less surprising: {f.at} is {percent(f.value)} of the human one",
}  # fmt: skip
"""The clause for each check, by its metric. It begins with a word of this table or with the name of a category."""


SWINGS = {
    "slow": "slow swings (over 20 steps and more)",
    "middle": "swings over 4 to 20 steps",
    "fast": "fast swings (over less than 4 steps)",
}
"""Words for the frequency bands of a series (`statistics.dynamics`)."""


ATTRIBUTES = {
    "characters": "length in characters",
    "words": "length in words",
    "sentence_length": "length of sentences",
    "flesch": "readability (flesch)",
    "type_token": "variety of words (type_token)",
    "mtld": "variety of words (mtld)",
    "entropy": "entropy of words",
    "compression": "compressed size",
    "numerals": "share of numerals",
    "punctuation": "share of punctuation",
}
"""Words for attributes of texts whose names are not clear by themselves."""


def _attribute(at: str) -> str:
    """
    >>> _attribute("characters"), _attribute("perplexity")
    ('length in characters', 'perplexity')
    """
    return ATTRIBUTES.get(at, at.replace("_", " "))


def _often(band: str) -> str:
    """
    >>> _often("1 time"), _often("2 times"), _often("3-5 times")
    ('once', 'twice', '3 to 5 times')
    """
    return {"1 time": "once", "2 times": "twice"}.get(band, band.replace("-", " to "))


def _at_end(at: str) -> str:
    """
    >>> _at_end("mtld the highest 5 %")
    'the highest 5 % by variety of words (mtld)'
    """
    attribute, the, end = at.partition(" the ")
    return f"the {end} by {_attribute(attribute)}" if the else at


def percent(share: float) -> str:
    """Return a share in percent with two significant digits.

    >>> percent(0.4), percent(0.0512), percent(0.126), percent(0.00012), percent(1.0)
    ('40 %', '5.1 %', '13 %', '0.012 %', '100 %')
    """
    value = 100 * share
    return f"{value:.0f} %" if value >= 9.95 else f"{value:.2g} %"


def written(value: float | None) -> str:
    """Return a number with three significant digits.

    >>> written(0.123456), written(12345.6), written(-0.00081234), written(-0.00001), written(None)
    ('0.123', '12,300', '-0.0008', '0', 'unknown')
    """
    if value is None:
        return "unknown"
    rounded = float(f"{value:.3g}")
    if abs(rounded) >= 1000:
        return f"{rounded:,.0f}"
    return f"{round(value, 4) + 0.0:g}" if abs(rounded) < 0.001 else f"{rounded:g}"


__all__ = ["PHRASES", "clause", "columns_of_direction", "generic", "parts_of_group", "percent", "written"]
