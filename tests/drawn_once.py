"""The engine of charts takes 40 ms for each, most of the time of a small run that writes its page, and tests write many pages that are alike.

A chart that this process has drawn is not drawn again. Commands in processes of their own draw every chart.
"""

import functools
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest


def draw_charts_once(patch: pytest.MonkeyPatch) -> None:
    """Have the engine, if it is installed, draw each chart once in this process."""
    try:
        import vl_convert
    except ImportError:
        return
    patch.setattr(vl_convert, "vegalite_to_svg", _once_a_chart(vl_convert.vegalite_to_svg))


def _once_a_chart(draw: Callable[..., str]) -> Callable[..., str]:
    every: dict[bytes, str] = {}

    @functools.wraps(draw)
    def drawn(specification: dict[str, Any], **settings: Any) -> str:
        key = hashlib.sha256(json.dumps([specification, settings], default=repr).encode()).digest()
        if key not in every:
            every[key] = draw(specification, **settings)
        return every[key]

    return drawn
