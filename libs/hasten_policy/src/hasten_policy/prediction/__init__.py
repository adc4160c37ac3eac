"""How long a batch will take, learned from the runs themselves."""

from hasten_policy.prediction.policy import PredictionPolicy
from hasten_policy.prediction.predictor import ServicePredictor

__all__ = ["PredictionPolicy", "ServicePredictor"]
