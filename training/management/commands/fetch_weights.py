from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    help = (
        "Fetch and check torchvision's pre-trained weights once, so that training can start from them. The site itself "
        "never downloads anything: run this on a machine with internet, or copy the files into WEIGHTS_DIR."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "architectures", nargs="+", metavar="ARCHITECTURE", help="resnet18, resnet34, resnet50, resnet101"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        from models_registry.inference.architectures import UnknownArchitecture
        from training.engine import weights

        for architecture in options["architectures"]:
            try:
                weights.load_pretrained(architecture, weights_dir=settings.WEIGHTS_DIR or None)
            except UnknownArchitecture as error:
                raise CommandError(f"{error}.", returncode=2) from error
            except (weights.WeightsMissing, weights.WeightsInvalid) as error:
                raise CommandError(str(error)) from error
            path = weights.find(architecture, settings.WEIGHTS_DIR or None)
            self.stdout.write(f"{architecture}: ok, {path}")
