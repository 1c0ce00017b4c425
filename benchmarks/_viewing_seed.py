"""A project with mammograms to read, made by a checkout's own services: run in its folder, with the folder of the files. Tells a
session, the project and the scans as JSON."""

import importlib
import importlib.util
import io
import json
import os
import secrets
import sys
from pathlib import Path

import django


def main(folder: str) -> None:
    django.setup()
    from django.conf import settings
    from django.test import Client

    from images.services import ScanFacts, create_project
    from mediscan_site.core.models import User

    # Where it was in older checkouts.
    home = "labeling.imports.services" if importlib.util.find_spec("labeling.imports") else "labeling.services.intake"
    upload_scan = importlib.import_module(home).upload_scan
    user = User(username="reader", role="admin", is_staff=True, is_superuser=True)
    user.set_password(os.environ.get("MEDISCAN_PASSWORD") or secrets.token_urlsafe(24))
    user.save()
    project = create_project(actor=user, name="Mammograms", classes=["NORMAL", "SUSPICIOUS"])
    scans = []
    for path in sorted(Path(folder).iterdir()):
        data = io.BytesIO(path.read_bytes())
        scan, _ = upload_scan(actor=user, project=project, source=data, file_name=path.name, facts=ScanFacts())
        scans.append(scan.pk)
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    cookie = settings.SESSION_COOKIE_NAME
    print(
        json.dumps({"project": project.pk, "scans": scans, "cookie": cookie, "session": client.cookies[cookie].value})
    )


if __name__ == "__main__":
    main(sys.argv[1])
