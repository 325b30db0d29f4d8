"""What does a pretrained language model lose that learns from its own text, over three seeds?

`outcross run nature-lm size=small` on WikiText-2 (its validation and test parts): SmolLM2-135M-Instruct, 64 blocks, five models, 5 beams; nothing
human kept and 5 epochs, or a tenth kept and 10 epochs, as in the paper. The arms of a seed share their base, human text and random numbers.
Differences are taken within a seed: from generation 0 of the same arm, and from `nothing_kept` at the same generation (which trains half as
many epochs). 95 % t-intervals over seeds, from two seeds on: with three the half-width is 2.5 standard deviations. Beside them one seed of: data that
accumulate, sampling at temperature 1, fresh human text at every generation, the same human text at every generation, and training that goes on from
the model before. A later call runs only what is missing.
"""

from __future__ import annotations

from nature_lm import BASE_ALONE, answer, of_one_seed

SEEDS = (0, 1, 2)
HUMAN_ONLY = {"name": "human_only", "policy": "human_only"}
FURTHER = [(BASE_ALONE, SEEDS), *((arm, SEEDS[:1]) for arm in (*of_one_seed(20), HUMAN_ONLY))]

if __name__ == "__main__":
    answer("nature_lm_small", __doc__, "small", SEEDS, "nothing_kept", FURTHER)
