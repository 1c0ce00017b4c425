"""`manage.py watch_grades MODEL`: one look at the grades of a version against its reference."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from mediscan_site.core.management.acting import REFUSED, ActingCommand
from mediscan_site.core.models import User, WorkStatus
from models_registry import selectors
from models_registry.models import Alarm, Watch
from models_registry.versions import places
from models_registry.watch import services
from models_registry.watch.worker import run_watch


class Command(ActingCommand):
    help = (
        "Compares the grades of a model version with its validation scans, place by place, and raises alarms that are due. Ends "
        "with 1 while an alarm of the version is open."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("model", help="key or code, as in model001")

    def act(self, actor: User, **options: Any) -> None:
        model = self.found(selectors.versions(actor), options["model"], prefix="model", what="model")
        asked = services.request_watch(actor=actor, model=model)
        run_watch(asked.pk)
        row = Watch.objects.get(pk=asked.pk)
        if row.status != WorkStatus.SUCCEEDED:
            raise CommandError(row.error or f"The look is {row.status}.", returncode=REFUSED)
        known = places.names(model.project_id)
        for site in row.result["sites"]:
            self.stdout.write(f"{places.named(site['site'], known)}: {_line(site)}")
        if row.result["why_not"]:
            self.stdout.write(row.result["why_not"])
        if Alarm.objects.filter(model=model, active=True).exists():
            raise CommandError("An alarm is open: look at it and decide.", returncode=REFUSED)


def _line(site: dict[str, Any]) -> str:
    referred, stream = site["referred"]["value"], site["stream"]
    parts = [f"{site['n']} grades"]
    parts += [] if referred is None else [f"{referred:.1%} referred"]
    parts += [] if site["distance"] is None else [f"median distance {site['distance']['median']:.2f}"]
    if stream:
        parts.append(f"online test after {stream['seen']}: highest log capital {stream['highest']:.2f}")
    return ", ".join(parts)
