"""The use cases of the registry, one function each."""

from models_registry.services.deployments import deploy, rollback
from models_registry.services.evaluations import request_evaluation
from models_registry.services.feedback import give_feedback
from models_registry.services.grades import grade_upload, request_grade
from models_registry.services.reviews import review_many, review_scan
from models_registry.services.versions import register_version

__all__ = [
    "deploy",
    "give_feedback",
    "grade_upload",
    "register_version",
    "request_evaluation",
    "request_grade",
    "review_many",
    "review_scan",
    "rollback",
]
