"""Models: the model file, its runtimes, models by name, packages of other tools; no PyTorch."""

from sparcell.models.loading import load_model
from sparcell.models.model import Model, ModelCard
from sparcell.models.normalise import Normalise, Scaling

__all__ = ["Model", "ModelCard", "Normalise", "Scaling", "load_model"]
