"""The device that torch uses: one thread of the processor, or the requested device."""

from __future__ import annotations

from outcross import runtime
from outcross.errors import BadInput, missing_extra


def one_thread() -> None:
    """Limit torch to one thread per step.

    The results are then the same bytes on any number of cores. Arms run in parallel instead.
    """
    try:
        import torch
    except ImportError:
        raise missing_extra("torch", "torch") from None
    torch.set_num_threads(1)


def device() -> str:
    """Return the value of --device. Raises BadInput if torch does not know the device or cannot find it."""
    import torch

    name = runtime.device()
    try:
        wanted = torch.device(name)
    except RuntimeError:
        raise BadInput(f"--device {name!r} is not known; use cpu, cuda or cuda:1") from None
    if wanted.type == "cuda" and not torch.cuda.is_available():
        raise BadInput(f"--device {name} was requested, but torch {torch.__version__} finds no such device; use --device cpu")
    return name
