"""Ask a seeded site (`manage.py seed_scale`) for its pages, lists, filters, queues and figures, in this process, each in a
transaction that is rolled back. Tells times in milliseconds and numbers of queries as JSON. Runs in any checkout's folder: what an
older one does not have is left out."""

import argparse
import json
import os
import resource
import time
from typing import Any

import django

# What takes longer than this is asked once.
SLOW_MS = 3000.0
# By name: method, address, and a body. `{large}` is the project with all the scans.
ASKED: dict[str, tuple[str, ...]] = {
    "dashboard": ("GET", "/"),
    "project": ("GET", "/projects/{large}/"),
    "scans, first page": ("GET", "/projects/{large}/scans/"),
    "scans, next page": ("GET", "/projects/{large}/scans/", "next"),
    "scans, oldest first": ("GET", "/projects/{large}/scans/?ordering=upload_date"),
    "scans, by change": ("GET", "/projects/{large}/scans/?ordering=-updated_at"),
    "scans, approved": ("GET", "/projects/{large}/scans/?approval_status=approved"),
    "scans, rejected": ("GET", "/projects/{large}/scans/?approval_status=rejected"),
    "scans, unlabeled": ("GET", "/projects/{large}/scans/?label_status=unlabeled"),
    "scans, of a class": ("GET", "/projects/{large}/scans/?label=OPACITY"),
    "scans, of a rare class": ("GET", "/projects/{large}/scans/?label=PNEUMOTHORAX"),
    "scans, rare class rejected": ("GET", "/projects/{large}/scans/?label=PNEUMOTHORAX&approval_status=rejected"),
    "scans, rare modality": ("GET", "/projects/{large}/scans/?modality=CR"),
    "scans, a split": ("GET", "/projects/{large}/scans/?split=test"),
    "scans, without a split": ("GET", "/projects/{large}/scans/?split=none"),
    "scans, held": ("GET", "/projects/{large}/scans/?hold=held"),
    "scans, a tag": ("GET", "/projects/{large}/scans/?tag=teaching"),
    "scans, a patient": ("GET", "/projects/{large}/scans/?patient={patient}"),
    "scans, a study": ("GET", "/api/v1/images/?project={large}&study={study}"),
    "scans, part of a name": ("GET", "/projects/{large}/scans/?search=emergency"),
    "scans, rare part of a name": ("GET", "/projects/{large}/scans/?search={rare_name}"),
    "scans, absent part of a name": ("GET", "/projects/{large}/scans/?search=nowhere"),
    "scans, an external id": ("GET", "/api/v1/images/?project={large}&external_id={external}"),
    "scans, since yesterday": ("GET", "/api/v1/images/?project={large}&uploaded_after={recently}"),
    "scans of all projects": ("GET", "/api/v1/images/"),
    "scans, CSV's first byte": ("FIRST", "/api/v1/images/?project={large}&format=csv"),
    "scan": ("GET", "/scans/{scan}/"),
    "scan's study": ("GET", "/scans/{scan}/study/"),
    "scans beside": ("GET", "/scans/{scan}/beside/"),
    "label desk": ("GET", "/projects/{large}/label/"),
    "label grid": ("GET", "/projects/{large}/label/grid/"),
    "review desk": ("GET", "/projects/{large}/review/"),
    "review many": ("GET", "/projects/{large}/review/many/"),
    "doubts": ("GET", "/projects/{large}/doubts/"),
    "agreement": ("GET", "/projects/{large}/agreement/"),
    "claim to label": ("POST", "/api/v1/queue/claim/", '{"project": {large}, "task": "label"}'),
    "claim the uncertain": ("POST", "/api/v1/queue/claim/", '{"project": {large}, "task": "label", "order": "uncertain"}'),
    "claim to review": ("POST", "/api/v1/queue/claim/", '{"project": {large}, "task": "review"}'),
    "stats": ("GET", "/api/v1/projects/{large}/stats/"),
    "labels": ("GET", "/api/v1/labels/?project={large}"),
    "reviews": ("GET", "/api/v1/reviews/?project={large}"),
    "data set": ("GET", "/datasets/{dataset}/"),
    "training": ("GET", "/projects/{large}/training/"),
    "models": ("GET", "/projects/{large}/models/"),
    "grades": ("GET", "/api/v1/grades/?project={large}"),
    "grades, referred": ("GET", "/api/v1/grades/?project={large}&decision=refer"),
    "grade page": ("GET", "/projects/{large}/grade/"),
    "referrals": ("GET", "/projects/{large}/referrals/"),
    "feedback": ("GET", "/api/v1/feedback/?project={large}"),
    "history": ("GET", "/history/"),
    "history of a scan": ("GET", "/api/v1/history/?image={scan}"),
    "audit": ("GET", "/audit/"),
    "audit, an action": ("GET", "/api/v1/audit/?action=scan.upload"),
    "audit, a rare action": ("GET", "/api/v1/audit/?action=project.create"),
    "audit, a person": ("GET", "/api/v1/audit/?actor=scale.doctor2"),
    "audit, CSV's first byte": ("FIRST", "/api/v1/audit/?format=csv"),
    "jobs": ("GET", "/jobs/"),
    "import's report": ("GET", "/imports/{batch}/"),
    "exports": ("GET", "/projects/{large}/exports/"),
    "messages": ("GET", "/messages/"),
    "search everywhere": ("GET", "/search/?q={patient}"),
    "metrics": ("GET", "/metrics"),
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--only", default="", help="names, with semicolons; parts of them will do")
    parser.add_argument("--user", default="scale.admin")
    given = parser.parse_args()
    from django.conf import settings

    # Nobody has collected the static files of this checkout.
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}
    django.setup()
    places = _places()
    client = _client(given.user)
    wanted = [part for part in given.only.split(";") if part]
    names = [name for name in ASKED if not wanted or any(part in name for part in wanted)]
    found = {}
    for name in names:
        found[name] = _measured(client, ASKED[name], places, given.rounds)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"places": places, "asked": found, "peak_mb": round(peak)}))


def _places() -> dict[str, Any]:
    from datetime import timedelta

    from django.utils import timezone

    from images.models import Image, Project

    large = max(Project.objects.all(), key=lambda row: row.pk)
    last = Image.objects.filter(project=large).order_by("-pk")[0]
    # One in the midst of it: neither the first nor the last pages are in memory because of it.
    scan = Image.objects.filter(project=large, pk__lte=last.pk - last.pk // 3).order_by("-pk")[0]
    named = {name: _last(home, model) for name, home, model in (
        ("dataset", "labeling", "Snapshot"), ("batch", "labeling", "Import"), ("model", "models_registry", "ModelVersion"),
    )}  # fmt: skip
    return {
        "large": large.pk,
        "scan": scan.pk,
        "patient": scan.patient,
        "study": getattr(scan, "study", ""),
        "external": scan.external_id or "",
        "rare_name": scan.file_name[-14:-4],
        "recently": (timezone.now() - timedelta(days=2)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        **named,
    }


def _last(home: str, model: str) -> int:
    from django.apps import apps

    row = apps.get_model(home, model).objects.order_by("-pk").first()
    return row.pk if row else 0


def _client(name: str) -> Any:
    from django.test import Client

    from mediscan_site.core.models import User

    client = Client(raise_request_exception=False, SERVER_NAME="localhost", HTTP_X_FORWARDED_PROTO="https")
    client.force_login(User.objects.get(username=name), backend="django.contrib.auth.backends.ModelBackend")
    return client


def _measured(client: Any, asked: tuple[str, ...], places: dict[str, Any], rounds: int) -> dict[str, Any]:
    method, address, *rest = asked
    path = _filled(address, places)
    if rest == ["next"]:
        path = _next(client, path)
    times: list[float] = []
    queries = status = 0
    for _ in range(rounds + 1):
        taken, queries, status = _once(client, method, path, _filled(rest[0], places) if method == "POST" else "")
        times.append(taken)
        if status >= 400 or taken > SLOW_MS:
            break
    # The first warms up, unless it was the only one.
    return {"ms": [round(one, 1) for one in (times[1:] or times)], "queries": queries, "status": status}


def _filled(text: str, places: dict[str, Any]) -> str:
    for name, value in places.items():
        text = text.replace("{" + name + "}", str(value))
    return text


def _next(client: Any, path: str) -> str:
    import re

    found = re.search(r'href="\?([^"]*cursor=[^"]*)"', client.get(path).content.decode())
    return path + "?" + found[1].replace("&amp;", "&") if found else path


def _once(client: Any, method: str, path: str, body: str) -> tuple[float, int, int]:
    from django.db import connection, transaction
    from django.test.utils import CaptureQueriesContext

    with transaction.atomic(), CaptureQueriesContext(connection) as captured:
        begun = time.perf_counter()
        answer = client.post(path, body, content_type="application/json") if method == "POST" else client.get(path)
        if method == "FIRST" and answer.streaming:
            next(iter(answer))
        elif answer.streaming:
            b"".join(answer)
        taken = 1000 * (time.perf_counter() - begun)
        answer.close()
        transaction.set_rollback(True)
    return taken, len(captured), answer.status_code


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mediscan_site.settings")
    main()
