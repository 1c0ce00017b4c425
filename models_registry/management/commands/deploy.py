"""`manage.py deploy MODEL`: let a version serve its project."""

from typing import Any

from django.core.management.base import CommandParser

from mediscan_site.core.management.acting import ActingCommand
from mediscan_site.core.models import User
from models_registry import selectors
from models_registry.deployments import services


class Command(ActingCommand):
    help = "Loads a model version, asks the gate, and lets it serve its project."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("model", help="key or code, as in model001")
        parser.add_argument("--override-reason", default="", help="why to deploy it even if the gate refuses; recorded")

    def act(self, actor: User, **options: Any) -> None:
        model = self.found(selectors.versions(actor), options["model"], prefix="model", what="model")
        deployment = services.deploy(actor=actor, model=model, override_reason=options["override_reason"])
        for warning in deployment.gate.get("warnings", []):
            self.stdout.write(f"warning: {warning}")
        self.stdout.write(f"{model.code} ({model.version}) serves project {model.project_id}.")
