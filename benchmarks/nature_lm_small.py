"""What does a pretrained language model lose that learns from its own text, over three seeds?


The experiment is `outcross run nature-lm size=small` on the validation and test parts of WikiText-2: SmolLM2-135M-Instruct, 64 blocks, five models, 5
beams. As in the paper, there are two settings: no human text kept with 5 epochs, and a tenth kept with 10 epochs. The arms of a seed share their base
model, human text and random numbers. Differences are taken within a seed: from generation 0 of the same arm, and from `nothing_kept` at the same
generation (which trains half as many epochs). Intervals are 95 % t over seeds, from two seeds on; with three seeds the half-width is 2.5 standard
deviations. Five further arms have one seed each: data that accumulate, sampling at temperature 1, fresh human text at every generation, the same human
text at every generation, and training that continues from the model of the generation before. A later call runs only the seeds and arms that are
missing.
"""

from __future__ import annotations

from nature_lm import BASE_ALONE, answer, of_one_seed

SEEDS = (0, 1, 2)
HUMAN_ONLY = {"name": "human_only", "policy": "human_only"}
FURTHER = [(BASE_ALONE, SEEDS), *((arm, SEEDS[:1]) for arm in (*of_one_seed(20), HUMAN_ONLY))]

if __name__ == "__main__":
    answer("nature_lm_small", __doc__, "small", SEEDS, "nothing_kept", FURTHER)
