"""A site's project with scans to read, made by that checkout's own services: run in its folder, tells a session and the project as
JSON. Pictures for the first scans of the queue; the others, which nobody reaches, are rows alone."""

import importlib.util
import io
import json
import os
import sys

import django


def main(pictures: int, scans: int, folder: str) -> None:
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    from django.conf import settings
    from django.test import Client
    from django.utils import timezone

    from images.models import Image
    from images.services import ScanFacts, create_project

    # An older checkout has it elsewhere.
    places = ("labeling.imports.services", "labeling.services.intake")
    found = next(place for place in places if importlib.util.find_spec(place.rpartition(".")[0]))
    upload_scan = importlib.import_module(found).upload_scan
    from mediscan_site.core.models import User

    user = User(username="reader", role="admin", is_staff=True, is_superuser=True)
    user.set_password(os.environ["MEDISCAN_PASSWORD"])
    user.save()
    project = create_project(actor=user, name="Chest X-ray", classes=["NORMAL", "PNEUMONIA", "EFFUSION"])
    for number, data in enumerate(_pictures(folder, pictures)):
        name = f"{number:05}.jpg"
        upload_scan(actor=user, project=project, source=io.BytesIO(data), file_name=name, facts=ScanFacts())
    last = Image.objects.order_by("-pk").first()
    plain = {"project": project, "uploaded_by": user, "upload_date": timezone.now()}
    copied = {name: getattr(last, name) for name in ("image_format", "width", "height", "size", "bits")}
    rows = (Image(**plain, **copied, file_name=f"row{number}.jpg") for number in range(scans - pictures))
    Image.objects.bulk_create(rows, batch_size=2000)
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    cookie = settings.SESSION_COOKIE_NAME
    print(json.dumps({"project": project.pk, "cookie": cookie, "session": session, "scans": Image.objects.count()}))


def _pictures(folder: str, count: int) -> list[bytes]:
    from pathlib import Path

    from benchmarks._common import jpegs

    found = jpegs(Path(folder) if folder else None, count)
    # The same bytes twice would be a duplicate: what follows the picture's end makes another file of it.
    return [found[number % len(found)] + f"{number}".encode() for number in range(count)]


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
