"""What the numbers may depend on beside the experiment."""

from __future__ import annotations

import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any


def environment() -> dict[str, Any]:
    """What the numbers may depend on beside the experiment: versions, machine, processor."""
    packages = ("outcross", "numpy", "scipy", "polars", "torch", "tokenizers", "safetensors")
    versions = {}
    for package in packages:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = None
    cpu = flags = ""
    if Path("/proc/cpuinfo").exists():
        told = dict(line.split(":", 1) for line in Path("/proc/cpuinfo").read_text().splitlines() if ":" in line)
        told = {key.strip(): value.strip() for key, value in told.items()}
        cpu = told.get("model name", "")
        flags = " ".join(flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in told.get("flags", "").split())
    return {
        "python": platform.python_version(),
        "platform": f"{sys.platform} {platform.machine()}",
        "processor": cpu,
        "capability": flags,
        "packages": versions,
    }
