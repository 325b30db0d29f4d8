"""Where torch works: one thread of the processor, or the device that was asked for."""

from __future__ import annotations

from outcross import runtime
from outcross.errors import BadInput, missing_extra


def one_thread() -> None:
    """One torch thread a step: the same bytes whatever the machine's cores, and parallel arms instead of parallel sums."""
    try:
        import torch
    except ImportError:
        raise missing_extra("torch", "torch") from None
    torch.set_num_threads(1)


def device() -> str:
    """What --device said; BadInput where torch knows no such device or sees none."""
    import torch

    name = runtime.device()
    try:
        wanted = torch.device(name)
    except RuntimeError:
        raise BadInput(f"--device {name!r} is not known; use cpu, cuda or cuda:1") from None
    if wanted.type == "cuda" and not torch.cuda.is_available():
        raise BadInput(f"--device {name} was asked for, torch {torch.__version__} sees no such device; use --device cpu")
    return name
