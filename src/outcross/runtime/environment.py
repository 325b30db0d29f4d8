"""The environment on which numbers may depend in addition to the experiment."""

from __future__ import annotations

import functools
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("outcross", "numpy", "scipy", "polars", "torch", "tokenizers", "safetensors")


def environment() -> dict[str, Any]:
    """Return the versions, machine and processor on which numbers may depend in addition to the experiment."""
    processor, capability = _processor()
    return {
        "python": platform.python_version(),
        "platform": f"{sys.platform} {platform.machine()}",
        "processor": processor,
        "capability": capability,
        "packages": {package: _version(package) for package in PACKAGES},
    }


@functools.cache
def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


@functools.cache
def _processor() -> tuple[str, str]:
    """Return the name of the processor, and those of its instruction sets that affect the rounding of numbers."""
    if not Path("/proc/cpuinfo").exists():
        return "", ""
    lines = dict(line.split(":", 1) for line in Path("/proc/cpuinfo").read_text().splitlines() if ":" in line)
    lines = {key.strip(): value.strip() for key, value in lines.items()}
    there = lines.get("flags", "").split()
    return lines.get("model name", ""), " ".join(flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in there)
