"""What does a small language model lose that learns from its own text, from scratch, over five seeds?


The experiment is `outcross run nature-lm size=scratch` on the validation and test parts of WikiText-2: a transformer of 3 layers of width 128 that
was first trained on all human training text, 1,000 blocks, ten models, 5 beams. The arms of a seed share their base model, human text and random
numbers. Differences are taken within a seed: from generation 0 of the same arm, and from `human_only` (ten epochs, no model text) at the same
generation. Intervals are 95 % t over seeds, from two seeds on; with five seeds the half-width is 1.24 standard deviations. Four further arms, with the
steps of five epochs, have one seed each: data that accumulate, sampling at temperature 1, fresh human text at every generation (eight generations, for
which the text has enough), and training that continues from the model of the generation before. A later call runs only the seeds and arms that are
missing.
"""

from __future__ import annotations

from nature_lm import answer, of_one_seed

SEEDS = (0, 1, 2, 3, 4)
FURTHER = [(arm | ({"generations": 8} if arm["policy"] == "fresh_only" else {}), SEEDS[:1]) for arm in of_one_seed(156)]

if __name__ == "__main__":
    answer("nature_lm_scratch", __doc__, "scratch", SEEDS, "human_only", FURTHER)
