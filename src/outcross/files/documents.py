"""A document: what is split into training and held-out text, so that no document is on two sides."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Document:
    """One text that a person wrote; what is split is documents, so that no document is on two sides."""

    text: str
    group: str = ""
    """A language, a speaker …; empty where there are none."""
