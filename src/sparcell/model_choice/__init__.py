"""Which model fits some images? `try_models` predicts a sample by each, and ranks them."""

from sparcell.model_choice.choice import Choice, try_models
from sparcell.model_choice.trial import Trial

__all__ = ["Choice", "Trial", "try_models"]
