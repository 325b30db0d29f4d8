"""Records with their origins: parts, pools, human data, plans and training sets."""

from outcross.data.human import HUMAN_PARTS, Human, Truth
from outcross.data.mixing import mix
from outcross.data.origins import HUMAN, UNKNOWN, Origin
from outcross.data.parts import Made, Part, Subsample, part_of
from outcross.data.plans import Inventory, Plan, Take
from outcross.data.pools import Pool, Training

__all__ = [
    "HUMAN", "HUMAN_PARTS", "UNKNOWN", "Human", "Inventory", "Made", "Origin", "Part", "Plan", "Pool", "Subsample", "Take", "Training",
    "Truth", "mix", "part_of",
]  # fmt: skip
