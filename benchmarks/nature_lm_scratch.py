"""What does a small language model lose that learns from its own text, from scratch, over five seeds?

`outcross run nature-lm size=scratch` on WikiText-2 (its validation and test parts): a transformer of 3 layers of width 128 that was trained on all
human training text first, 1,000 blocks, ten models, 5 beams. The arms of a seed share their base, human text and random numbers. Differences are
taken within a seed: from generation 0 of the same arm, and from `human_only` (ten epochs, no model's text) at the same generation. 95 %
t-intervals over seeds, from two seeds on: with five the half-width is 1.24 standard deviations. Beside them one seed, at the steps of five epochs, of:
data that accumulate, sampling at temperature 1, fresh human text at every generation (eight, for which the text has enough), and training that goes
on from the model before. A later call runs only what is missing.
"""

from __future__ import annotations

from nature_lm import answer, of_one_seed

SEEDS = (0, 1, 2, 3, 4)
FURTHER = [(arm | ({"generations": 8} if arm["policy"] == "fresh_only" else {}), SEEDS[:1]) for arm in of_one_seed(156)]

if __name__ == "__main__":
    answer("nature_lm_scratch", __doc__, "scratch", SEEDS, "human_only", FURTHER)
