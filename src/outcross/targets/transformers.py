from __future__ import annotations

from outcross.errors import BadInput
from outcross.models import LEARNERS
from outcross.recipe import kind, member, recipe
from outcross.targets import Target


@recipe
class Transformers(Target):
    """A model folder for the library `transformers`: weights as safetensors, a configuration, a tokenizer with the same ids, and a model card."""

    takes = ("model",)

    def files(self, chosen, place, out):
        learner = chosen.experiment.learner
        if "transformers" not in learner.exports:
            able = [name for name in LEARNERS if "transformers" in member(LEARNERS, name, "learner").exports]
            raise BadInput(
                f"the learner {kind(learner)} gives a model that transformers cannot load; export a run whose learner is {' or '.join(able)}"
            )
        return {"README.md": chosen.card, **learner.as_transformers(chosen.folder)}
