"""Fit a network of transformers to blocks of tokens."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import PreTrainedModel

from outcross import runtime
from outcross.errors import BadInput, MachineGaveOut, first_words, missing_extra
from outcross.models.causal_lm.losses import loss, quick_attention
from outcross.models.causal_lm.scoring import log_probs
from outcross.models.causal_lm.tuning import Lora, Tuning
from outcross.models.causal_lm.weights import torchs_random
from outcross.models.networks import Precision, give_back_memory, keep_freed_memory, precise
from outcross.models.schedule import Schedule
from outcross.models.transformer.fitting import WeightGroup, Workspace, batches, check_finite, shares_of

CHECKS = 10
"""Maximum number of checks of a fit on validation text, at equal distances. A fit of fewer epochs has one check per epoch."""
STEPS_BETWEEN_LOOKS = 25  # between checks that the loss is finite, because reading the loss waits for the GPU


@dataclass(frozen=True)
class Tuned:
    """The result of a fit."""

    network: PreTrainedModel
    facts: dict[str, Any]
    """`steps`; `records_at_a_time`, the number of records whose gradients are computed together; `first_loss` and `last_loss`, in nats per token
    before the first and the last step; `validation`, the number of steps and the held-out nats per token of each check."""


def fit(
    network: PreTrainedModel,
    tokens: NDArray[np.int32],
    training: Schedule,
    *,
    start: int | None,
    rng: np.random.Generator,
    tuning: Tuning,
    weights: NDArray[np.floating] | None = None,
    precision: Precision = "bf16",
    validation: NDArray[np.int32] | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> Tuned:
    """Train a copy of the network on blocks (n, block) by a full schedule; the given network stays unchanged.

    Batches go through one random permutation of the records after another, so the numbers of times that two records are seen differ by at most
    one. A record of weight w counts w times in the loss; weights have any scale. With `validation` the result is the network at the check with
    the lowest held-out loss, the first of equals. `progress` receives the fraction of the steps that are done. Raises FloatingPointError when
    the loss stops being finite.
    """
    assert training.rate is not None and training.optimizer is not None and training.learning_rate is not None
    steps, how = training.steps_for(len(tokens), tokens.shape[1]), training.optimizer
    shares = shares_of(weights, len(tokens)).to(network.device)
    records = torch.from_numpy(np.asarray(tokens, dtype=np.int64))
    keep_freed_memory()
    with torchs_random(rng):
        at_a_time = records_at_a_time(network, training.batch, tokens.shape[1], tuning)
        tuned = _tuned(copy.deepcopy(network), tuning)
        moved = [parameter for parameter in tuned.parameters() if parameter.requires_grad]
        optimizer = WeightGroup(moved, how.weight_decay, how.betas, how.epsilon)
        batch = Batch(tuned, start, training.loss_after, precision, at_a_time)
        best = Best(tuned, moved, validation, start)
        losses: list[Tensor] = []
        checks = _checks(steps, steps * training.batch / len(tokens))
        with quick_attention(tuned):
            for step, chosen in enumerate(batches(len(tokens), training.batch, steps, rng)):
                losses.append(batch.gradients(records[chosen].to(network.device), shares[chosen]))
                if how.clip is not None:
                    nn.utils.clip_grad_norm_(moved, how.clip)
                optimizer.step(training.rate.at(step, steps, training.batch / len(tokens), training.learning_rate))
                done = step + 1
                if done % STEPS_BETWEEN_LOOKS == 0 or done == steps:
                    check_finite(losses, training.learning_rate)
                    give_back_memory()
                if done in checks:
                    best.check(done)
                progress(done / steps)
        fitted = best.network()
    facts = {
        "steps": steps, "records_at_a_time": batch.at_a_time, "first_loss": losses[0].item(), "last_loss": losses[-1].item(),
        "validation": best.checks,
    }  # fmt: skip
    return Tuned(fitted, facts)


def _checks(steps: int, epochs: float) -> set[int]:
    """Return the numbers of steps after which a fit is checked on validation text."""
    times = max(1, min(CHECKS, steps, math.ceil(epochs - 1e-9)))
    return {round(steps * (place + 1) / times) for place in range(times)}


def _tuned(network: PreTrainedModel, tuning: Tuning) -> Any:
    """Return the network with gradients enabled for the weights that are trained."""
    network.requires_grad_(True)
    if not isinstance(tuning, Lora):
        return network.train()
    try:
        import peft
    except ImportError:
        raise missing_extra("peft", "lora") from None
    adapter = peft.LoraConfig(
        r=tuning.rank, lora_alpha=tuning.alpha, lora_dropout=tuning.dropout, target_modules=list(tuning.targets) or None,
        task_type="CAUSAL_LM",
    )  # fmt: skip
    try:
        return peft.get_peft_model(network, adapter).train()
    except ValueError as error:
        raise BadInput(f"learner.tuning.targets: {first_words(error)}; name linear layers of this architecture") from None


@dataclass
class Batch:
    """Gradients of a batch, computed for a few records at a time and added up. The batch thus has the requested size on any amount of memory."""

    network: Any
    start: int | None
    loss_after: int
    precision: Precision
    at_a_time: int
    workspace: Workspace = field(default_factory=Workspace)

    def gradients(self, blocks: Tensor, shares: Tensor) -> Tensor:
        """Add the gradients of the loss to those of the weights, and return the loss in nats per token.

        If the GPU runs out of memory, fewer records are processed at a time.
        """
        while True:
            try:
                return self._gradients(blocks, shares)
            except torch.OutOfMemoryError:
                if self.at_a_time == 1:
                    raise MachineGaveOut(
                        "one record needs more memory than is free on the device; use a smaller model, learner.tuning=lora or a smaller block"
                    ) from None
                self.at_a_time = math.ceil(self.at_a_time / 2)
                self.network.zero_grad()
                torch.cuda.empty_cache()

    def _gradients(self, blocks: Tensor, shares: Tensor) -> Tensor:
        total = torch.zeros((), device=blocks.device)
        for first in range(0, len(blocks), self.at_a_time):
            some = slice(first, first + self.at_a_time)
            with precise(self.precision, blocks.device):
                part = loss(self.network, blocks[some], shares[some], self.start, self.loss_after, self.workspace) * (
                    len(blocks[some]) / len(blocks)
                )
            part.backward()
            total += part.detach()
        return total


class Best:
    """The network after the last step or, with validation text, at its best check."""

    def __init__(self, network: Any, moved: list[Tensor], validation: NDArray[np.int32] | None, start: int | None):
        self.tuned, self.moved, self.validation, self.start = network, moved, validation, start
        self.checks: list[tuple[int, float]] = []
        self.kept: list[Tensor] | None = None

    def check(self, done: int) -> None:
        """Compute the loss on the validation text after `done` steps, and keep the weights if it is the lowest so far."""
        if self.validation is None:
            return
        self.tuned.eval()
        loss = -float(np.nanmean(log_probs(self.tuned, self.validation, start=self.start)))
        self.tuned.train()
        if loss < min((loss for _, loss in self.checks), default=math.inf):
            self.kept = [weights.detach().clone() for weights in self.moved]
        self.checks.append((done, loss))

    def network(self) -> PreTrainedModel:
        """Return the best network, with low-rank changes merged into its weights."""
        if self.kept is not None:
            with torch.no_grad():
                for weights, best in zip(self.moved, self.kept, strict=True):
                    weights.copy_(best)
        plain = self.tuned.merge_and_unload() if hasattr(self.tuned, "merge_and_unload") else self.tuned
        plain.zero_grad(set_to_none=True)
        return plain.eval().requires_grad_(False)


def records_at_a_time(network: PreTrainedModel, batch: int, tokens: int, tuning: Tuning) -> int:
    """Return how many records of a batch fit in the free memory together: the batch, or a half, a quarter … of it.

    The estimate follows from the shape of the network. It counts fp32 weights, gradients and two moments. For each token it adds the
    activations that every layer keeps for the backward pass, and the memory of the logits in the loss. Raises MachineGaveOut if a single record
    does not fit.
    """
    free = torch.cuda.mem_get_info(network.device)[0] if network.device.type == "cuda" else runtime.free_memory()
    if free is None:
        return batch
    config, weights = network.config, sum(parameter.numel() for parameter in network.parameters())
    fixed = weights * (4 if isinstance(tuning, Lora) else 16)
    record = tokens * (config.vocab_size * 16 + config.num_hidden_layers * config.hidden_size * 26 * 4)
    if fixed + record > free:
        raise MachineGaveOut(
            f"training {weights / 1e6:.0f} million weights needs about {(fixed + record) / 1e9:.1f} GB of memory, but only {free / 1e9:.1f} GB are free; "
            "use a smaller model, or learner.tuning=lora"
        )
    while batch > 1 and fixed + batch * record > free:
        batch = math.ceil(batch / 2)
    return batch
