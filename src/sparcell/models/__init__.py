"""Models: the model file, its runtimes, models by name, packages of other tools; no PyTorch."""

from sparcell.models.loading import load_model
from sparcell.models.model import Model, ModelSpec
from sparcell.preprocessing.normalise import Normalise, Scaling

__all__ = ["Model", "ModelSpec", "Normalise", "Scaling", "load_model"]
