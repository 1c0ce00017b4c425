"""What a model is and what it says: versions, their graphs, evaluations, deployments, grades, feedback."""

from models_registry.models.grades import Feedback, Grade
from models_registry.models.graphs import ModelGraph
from models_registry.models.versions import DeployedModel, Deployment, Evaluation, ModelVersion

__all__ = ["DeployedModel", "Deployment", "Evaluation", "Feedback", "Grade", "ModelGraph", "ModelVersion"]
