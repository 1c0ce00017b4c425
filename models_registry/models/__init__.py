"""What a model is and what it says: versions, their graphs, evaluations, deployments, grades, feedback; and the work that
comes of it."""

from models_registry.models.batches import GradeBatch, GradeBatchItem
from models_registry.models.grades import Feedback, Grade
from models_registry.models.graphs import ModelGraph
from models_registry.models.versions import DeployedModel, Deployment, Evaluation, ModelVersion
from models_registry.models.worklists import Referral, ReferralRead

__all__ = [
    "DeployedModel",
    "Deployment",
    "Evaluation",
    "Feedback",
    "Grade",
    "GradeBatch",
    "GradeBatchItem",
    "ModelGraph",
    "ModelVersion",
    "Referral",
    "ReferralRead",
]
