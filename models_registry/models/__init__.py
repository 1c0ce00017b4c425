"""What a model is and what it says: versions, evaluations, deployments, grades, feedback; and whether that still holds where
it is used: acceptance tests, watching, alarms, blind reads."""

from models_registry.models.acceptance import AcceptanceCase, AcceptanceDecision, AcceptanceTest, LearnedPlaces
from models_registry.models.grades import Feedback, Grade
from models_registry.models.versions import DeployedModel, Deployment, Evaluation, ModelVersion
from models_registry.models.watch import Alarm, AlarmDecision, AlarmTold, BlindRead, Watch, WatchStream

__all__ = [
    "AcceptanceCase",
    "AcceptanceDecision",
    "AcceptanceTest",
    "Alarm",
    "AlarmDecision",
    "AlarmTold",
    "BlindRead",
    "DeployedModel",
    "Deployment",
    "Evaluation",
    "Feedback",
    "Grade",
    "LearnedPlaces",
    "ModelVersion",
    "Watch",
    "WatchStream",
]
