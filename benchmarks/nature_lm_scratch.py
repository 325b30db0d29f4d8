"""What does a small language model lose that learns from its own text, from scratch, over five seeds?

The experiment is `outcross run nature-lm size=scratch` on the validation and test parts of WikiText-2: a transformer of 3 layers of width 128 that
was first trained on all human training text, 1,000 blocks, ten models, 5 beams. The arms of a seed share their base model, human text and random
numbers. Differences are taken within a seed: from generation 0 of the same arm, and from `human_only` (ten epochs, no model text) at the same
generation. Intervals are 95 % t over seeds, from two seeds on; with five seeds the half-width is 1.24 standard deviations. A later call runs only the
seeds and arms that are missing.
"""

from __future__ import annotations

from nature_lm import answer

if __name__ == "__main__":
    answer("nature_lm_scratch", __doc__, "scratch", (0, 1, 2, 3, 4), "human_only")
