"""Figures: charts that can be saved, each with its Vega-Lite specification and its data."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from outcross.errors import BadInput, missing_extra
from outcross.files.names import kind_at
from outcross.files.outputs import check_name
from outcross.files.whole import write_whole
from outcross.recipe import nearest
from outcross.report.characters import visible
from outcross.report.charts import FONT_SIZE, STYLE
from outcross.report.drawing import Specification, converted, draw
from outcross.wording import amount

FORMATS = ("svg", "pdf", "png")
THEMES: Mapping[str, Mapping[str, str]] = {
    "light": {"background": "#ffffff"},
    "dark": {
        "background": "#171715", "#3a3a38": "#d6d4ce", "#1c1c1a": "#d6d4ce", "#111": "#d6d4ce", "#e9e8e4": "#35342f", "#b8b6b0": "#7b7972",
        "#5b5b5b": "#b3b1aa", "#332288": "#9d8ff2", "#0072b2": "#3f9ddb",
        "#882255": "#d583ab", "#808000": "#b3b344", "#8fa9c9": "#5d7ba3", "#e39a62": "#c9793f", "#b9c6d6": "#4a5868",
        "#9a3b00": "#f0a36b", "#6b3fa0": "#b99aeb", "#2f6b3c": "#7fc48f", "#63625d": "#a5a39c",
    },
    "print": {"background": "#ffffff", "#3a3a38": "#000000", "#1c1c1a": "#000000", "#111": "#000000", "#e9e8e4": "#dddddd", "#b8b6b0": "#000000"},
}  # fmt: skip
"""The background of each theme, and its replacements for the colours of the light page."""
COLOURED = ("color", "value", "range", "fill", "stroke")
"""Endings of the keys of a specification whose values may be colours."""
DOTS_AN_INCH = 200
"""Resolution of a PNG, in dots per inch."""


@dataclass(frozen=True, eq=False)
class Figure:
    """A chart with its data.

    `spec` is the Vega-Lite specification in the colours of the light theme. `data` contains every number that is drawn, including intervals
    (polars). `save("figure.pdf")` writes the chart to a file. A notebook shows it.
    """

    name: str
    """The name of its files, without a suffix."""
    title: str
    spec: Specification
    data: Any
    caption: str = ""
    """Sentences that explain the bands and the lines of the chart."""

    def save(self, path: str | Path, theme: str = "light") -> Path:
        """Write the chart as .svg, .pdf or .png, in the colours of a theme: light, dark or print. Returns the path.

        Raises BadInput for another suffix or theme, or if the extra `report` is not installed.
        """
        path = Path(path)
        ending = path.suffix.lower().removeprefix(".")
        if ending not in FORMATS:
            raise BadInput(
                f"a figure must end with {_or([f'.{form}' for form in FORMATS])}, got {str(path)!r:.120}; write {path.stem[:40] or 'figure'}.svg"
            )
        if kind_at(path) == "folder":
            raise BadInput(f"{path} is a folder; name a file in it, for example {path / self.name}.{ending}")
        check_name(path)
        content = self.rendered(ending, theme)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
        return path

    def rendered(self, form: str, theme: str = "light") -> bytes:
        """The content of a file of the figure. `form` is svg, pdf or png. Raises BadInput as `save` does."""
        spec = themed(self.spec, theme)
        try:
            if form == "svg":
                return draw(spec, self.name).encode()
            return converted(spec, form, DOTS_AN_INCH)
        except ModuleNotFoundError:
            raise missing_extra("vl-convert-python", "report") from None

    def svg(self, key: str = "") -> str:
        """The chart as SVG for a page. `key` makes its inner ids unique. Empty if the extra `report` is not installed."""
        try:
            return draw(self.spec, key or self.name)
        except ModuleNotFoundError:
            return ""

    def csv(self) -> bytes:
        """The data as CSV, with one row per number that is drawn."""
        written = io.BytesIO()
        self.data.write_csv(written)
        return written.getvalue()

    def __repr__(self) -> str:
        lines = [
            f"Figure {self.name}: {self.title}, {amount(self.data.height, 'row')} of data; .save({self.name + '.svg'!r}) writes it"
        ]
        return "\n".join([*lines, *([self.caption] if self.caption else [])])

    def _repr_html_(self) -> str:
        """The chart with its title and caption, or the data if charts cannot be drawn."""
        try:
            content = self.rendered("svg").decode()
        except BadInput as why:
            content = f"<p>{escape(str(why))}</p>{self.data._repr_html_()}"
        words = "<br>".join(escape(visible(text)) for text in (self.title, self.caption) if text)
        return f"<figure>{content}<figcaption>{words}</figcaption></figure>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """The representations for a notebook: the chart with its caption, and the text of `repr`."""
        return {"text/html": self._repr_html_(), "text/plain": repr(self)}


def table(rows: Iterable[Sequence[Any]], schema: Mapping[str, type]) -> Any:
    """Rows as the data of a figure (polars). In texts, invisible characters are replaced by their codes."""
    import polars

    shown = [tuple(visible(cell) if isinstance(cell, str) else cell for cell in row) for row in rows]
    return polars.DataFrame(shown, schema=dict(schema), orient="row")


def themed(spec: Specification, theme: str) -> Specification:
    """A specification in the colours of a theme. Its data, and so the names of its lines, are unchanged.

    >>> themed({"mark": {"color": "#111"}, "data": {"values": ["#111"]}}, "dark") == {
    ...     "mark": {"color": "#d6d4ce"}, "data": {"values": ["#111"]}, "background": "#171715"}
    True
    """
    check_theme(theme)
    colours = THEMES[theme]
    return {**_recoloured(spec, colours), "background": colours["background"]}


def check_theme(theme: str) -> None:
    """Raise BadInput if there is no such theme."""
    if theme not in THEMES:
        raise BadInput(f"theme must be {_or(list(THEMES))}, got {str(theme)!r:.80}{nearest(str(theme), THEMES)}")


def _recoloured(value: Any, colours: Mapping[str, str], key: str = "") -> Any:
    if isinstance(value, Mapping):
        return {name: part if name == "data" else _recoloured(part, colours, name) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_recoloured(item, colours, key) for item in value]
    return colours.get(value, value) if isinstance(value, str) and key.lower().endswith(COLOURED) else value


def together(name: str, title: str, several: Sequence[tuple[str, Figure]], caption: str, columns: int) -> Figure:
    """Several charts as one figure, each under its title, in `columns` columns. Their data are concatenated by rows."""
    import polars

    if len(several) == 1 and not several[0][0]:
        ((_, alone),) = several
        return Figure(name, title, alone.spec, alone.data, caption)
    shared = ("$schema", "padding", "config", "background")
    panels = [
        {
            **{key: value for key, value in panel.spec.items() if key not in shared},
            "title": {"text": visible(heading), "fontSize": FONT_SIZE, "fontWeight": "normal", "anchor": "start"},
        }
        for heading, panel in several
    ]
    spec = {
        **{key: several[0][1].spec[key] for key in shared},
        "config": STYLE,
        "concat": panels,
        "columns": columns,
        "spacing": 18,
    }
    return Figure(name, title, spec, polars.concat([panel.data for _, panel in several], how="diagonal_relaxed"), caption)


def chosen_formats(words: str | Sequence[str]) -> tuple[str, ...]:
    """The formats from a string such as svg,pdf or from a list. Raises BadInput for an unknown format.

    >>> chosen_formats("svg, pdf")
    ('svg', 'pdf')
    """
    listed = words.split(",") if isinstance(words, str) else words
    formats = tuple(dict.fromkeys(str(word).strip().lower().removeprefix(".") for word in listed if str(word).strip()))
    for word in formats:
        if word not in FORMATS:
            raise BadInput(f"--format takes {_or(list(FORMATS))}, got {word!r:.80}{nearest(word, FORMATS)}")
    if not formats:
        raise BadInput(f"--format names no format; write --format {','.join(FORMATS)}")
    return formats


def _or(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


__all__ = ["FORMATS", "THEMES", "Figure", "check_theme", "chosen_formats", "table", "themed", "together"]
