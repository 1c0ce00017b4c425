"""Are the queues right? Whether each scan knows who has spoken of it, by which the queues find what a reader may take."""

from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from images.models import Image
from labeling.reading.said_by import mend, wrong

AT_ONCE = 2_000


class Command(BaseCommand):
    help = "Compare what each scan keeps of who has spoken of it with its label and its reads; --mend puts it right."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--mend", action="store_true", help="put right what is wrong")

    def handle(self, *args: Any, **options: Any) -> None:
        seen: Counter[str] = Counter()
        last = 0
        while images := _after(last):
            last = images[-1].pk
            found = wrong(images)
            seen.update(scans=len(images), wrong=len(found))
            if options["mend"]:
                seen["mended"] += sum(mend(image) for image in images if image.pk in found)
        said = f"{seen['scans']} scans, {seen['wrong']} wrong"
        if not seen["wrong"]:
            self.stdout.write(f"{said}.")
        elif options["mend"]:
            self.stdout.write(f"{said}, {seen['mended']} mended.")
        else:
            raise CommandError(f"{said}: queues may leave them out. Run check_queues --mend.")


def _after(last: int) -> list[Image]:
    scans = Image.objects.filter(pk__gt=last, erased_at__isnull=True).select_related("reference__label", "project")
    return list(scans.order_by("pk")[:AT_ONCE])
