"""What does a pretrained language model lose that learns from its own text, over three seeds?

The experiment is `outcross run nature-lm size=small` on the validation and test parts of WikiText-2: SmolLM2-135M-Instruct, 64 blocks, five models, 5
beams. As in the paper, there are two settings: no human text kept with 5 epochs, and a tenth kept with 10 epochs. The arms of a seed share their base
model, human text and random numbers. Differences are taken within a seed: from generation 0 of the same arm, and from `nothing_kept` at the same
generation (which trains half as many epochs). Intervals are 95 % t over seeds, from two seeds on; with three seeds the half-width is 2.5 standard
deviations. Four further arms have one seed each: data that accumulate, sampling at temperature 1, human text at every generation, and training that
continues from the model of the generation before. A later call runs only the seeds and arms that are missing.
"""

from __future__ import annotations

from nature_lm import BASE_ALONE, answer

SEEDS = (0, 1, 2)
ONE_SEED = (
    {"name": "accumulate_20_steps", "policy": "accumulate", "training.epochs": None, "training.steps": 20},
    {"name": "temperature_1", "policy": "replace", "draw.temperature": 1.0, "draw.beams": 1},
    {"name": "human_only", "policy": "human_only"},
    {"name": "from_previous", "policy": "replace", "training.start": "previous"},
)
"""Arms beside the two settings of the paper, all with as many steps a generation as `nothing_kept`."""

if __name__ == "__main__":
    further = [(BASE_ALONE, SEEDS), *((arm, SEEDS[:1]) for arm in ONE_SEED)]
    answer("nature_lm_small", __doc__, "small", SEEDS, "nothing_kept", further)
