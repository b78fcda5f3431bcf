"""Prediction: model file, runtimes, tiling; no PyTorch."""

from sparcell.prediction.loading import load_model
from sparcell.prediction.model import Model, ModelCard
from sparcell.prediction.normalise import Normalise, Scaling

__all__ = ["Model", "ModelCard", "Normalise", "Scaling", "load_model"]
