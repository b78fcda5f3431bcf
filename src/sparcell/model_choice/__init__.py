"""Which model fits some images, and is a new one better? `try_models` and `compare_models`."""

from sparcell.model_choice.choice import Choice, ModelTrials, rank_models, try_models
from sparcell.model_choice.comparison import ModelComparison, compare_models
from sparcell.model_choice.trial import Trial

__all__ = [
    "Choice",
    "ModelComparison",
    "ModelTrials",
    "Trial",
    "compare_models",
    "rank_models",
    "try_models",
]
