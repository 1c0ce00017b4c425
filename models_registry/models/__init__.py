"""What a model is and what it says: versions, their graphs, evaluations, deployments, grades, feedback; the work that comes of
it; and whether it still holds where it is used: acceptance tests, watching, alarms, blind reads."""

from models_registry.models.acceptance import AcceptanceCase, AcceptanceDecision, AcceptanceTest, LearnedPlaces
from models_registry.models.answers import ScanAnswer
from models_registry.models.batches import GradeBatch, GradeBatchItem
from models_registry.models.grades import Feedback, Grade
from models_registry.models.graphs import ModelGraph
from models_registry.models.reads import FirstRead
from models_registry.models.summaries import AnswerSummary
from models_registry.models.versions import DeployedModel, Deployment, Evaluation, ModelVersion
from models_registry.models.watch import Alarm, AlarmDecision, AlarmTold, BlindRead, Watch, WatchStream
from models_registry.models.worklists import Referral, ReferralRead

__all__ = [
    "AcceptanceCase",
    "AcceptanceDecision",
    "AcceptanceTest",
    "Alarm",
    "AlarmDecision",
    "AlarmTold",
    "AnswerSummary",
    "BlindRead",
    "DeployedModel",
    "Deployment",
    "Evaluation",
    "Feedback",
    "FirstRead",
    "Grade",
    "GradeBatch",
    "GradeBatchItem",
    "LearnedPlaces",
    "ModelGraph",
    "ModelVersion",
    "Referral",
    "ReferralRead",
    "ScanAnswer",
    "Watch",
    "WatchStream",
]
