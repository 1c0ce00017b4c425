"""What the pictures of the pages show: people, projects, reads. Run in the site's environment, before (`people`) and after
(`work`) the chest project's model has been trained; tells what it made as JSON."""

import io
import json
import os
import sys
import time
from typing import Any

import django

DOCTORS = ("a.rossi", "j.novak", "s.okoye")
GUIDE = """Look at the whole chest first, then at both lungs from top to base, then behind the heart.

OPACITY is any soft patch inside a lung that hides what lies behind it, whatever its cause. A rib that crosses a vessel is none; \
nor is an electrode.

If exposure or position keep you from telling, choose a reason instead of a class."""
LIMIT_S = 900


def main(part: str) -> None:
    django.setup()
    print(json.dumps({"people": people, "work": work, "sessions": sessions}[part]()))


def user_of(name: str) -> Any:
    from mediscan_site.core.models import User

    return User.objects.get(username=name)


def people() -> dict[str, Any]:
    from images.services import add_member, create_project, write_guide
    from mediscan_site.core.invitations import invite
    from mediscan_site.core.services import create_user

    secret = os.environ["MEDISCAN_PASSWORD"]
    admin = create_user(actor=None, username="r.lind", role="admin", password=secret, email="r.lind@hospital.example")
    for name in DOCTORS:
        create_user(actor=None, username=name, password=secret, email=f"{name}@hospital.example")
    invite(actor=admin, username="m.tanaka", email="m.tanaka@hospital.example", base_url="https://mediscan.example")
    chest = create_project(
        actor=admin, name="Chest radiographs", classes=["NORMAL", "OPACITY"], modality="X-ray",
        intended_use="Finds radiographs that a doctor should read first. Adults, upright, posteroanterior.",
    )  # fmt: skip
    breast = create_project(
        actor=admin, name="Mammography, two readers", classes=["BENIGN", "UNSURE", "SUSPICIOUS"], modality="Mammography",
        reads_wanted=2, repeats_share=0.05,
    )  # fmt: skip
    skin = create_project(actor=admin, name="Skin lesions", classes=["NEVUS", "MELANOMA"], modality="Dermoscopy")
    heart = create_project(actor=admin, name="Heart, ultrasound", classes=["NORMAL", "DILATED"], modality="Ultrasound")
    for project in (chest, breast, skin, heart):
        for name in DOCTORS:
            add_member(actor=admin, project=project, user=user_of(name))
    write_guide(actor=admin, project=chest, words=GUIDE)
    made = {"chest": chest.pk, "breast": breast.pk, "skin": skin.pk, "heart": heart.pk}
    return {"projects": made, **_reading(breast, skin, heart)}


def _reading(breast: Any, skin: Any, heart: Any) -> dict[str, Any]:
    """Two readers and what they differ in; colour; frames."""
    from benchmarks import _screenshots_made as made
    from images.services import choose_frames, release_scan
    from labeling.reading.gold import mark_gold
    from labeling.reading.labels import label_scan, mark_ungradable
    from labeling.reading.reviews import review_scan
    from labeling.reading.several import adjudicate

    admin, rossi, novak, okoye = (user_of(name) for name in ("r.lind", *DOCTORS))
    benign, unsure, suspicious = breast.class_rows.all()
    pictures = [made.mammogram(seed, mass=seed % 3 == 0) for seed in range(18)]
    scans = [_upload(breast, admin, data, f"mammogram{number:02}.dcm") for number, data in enumerate(pictures)]
    for number, scan in enumerate(scans[:14]):
        said = suspicious if number % 3 == 0 else benign
        label_scan(actor=rossi, image=scan, label_class=said, comment="Dense, 3 o'clock." if number == 3 else "")
        if number == 11:
            mark_ungradable(actor=novak, image=scan, reason="poor image quality")
        else:
            differs = number in (4, 9, 10)
            label_scan(actor=novak, image=scan, label_class=unsure if differs else said)
    label_scan(actor=rossi, image=scans[14], label_class=suspicious)
    adjudicate(actor=okoye, image=scans[4], reason="Ligaments, seen in both views.", label_class=benign)
    for scan in scans[:3]:
        review_scan(actor=okoye, image=scan, status="approved")
        mark_gold(actor=admin, image=scan)
    for number in range(24):
        said = skin.class_rows.all()[number % 2] if number < 15 else None
        data = made.skin(number, irregular=bool(number % 2))
        _upload(skin, rossi, data, f"lesion{number:02}.jpg", label=said, patient=f"L{number // 2}")
    cines = [_upload(heart, rossi, made.cine(seed), f"apical{seed}.dcm") for seed in range(3)]
    for scan in cines:
        release_scan(actor=novak, image=scan)
    choose_frames(actor=rossi, image=cines[0], frames=[1, 7, 13])
    return {"cine": cines[0].pk, "mammogram": scans[16].pk}


def _upload(project: Any, actor: Any, data: bytes, name: str, *, label: Any = None, **facts: Any) -> Any:
    from images.services import ScanFacts
    from labeling.imports.services import upload_scan

    scan, _ = upload_scan(
        actor=actor,
        project=project,
        source=io.BytesIO(data),
        file_name=name,
        facts=ScanFacts(**facts),
        label_class=label,
    )
    scan.refresh_from_db()
    return scan


def work() -> dict[str, Any]:
    """New scans of the chest project, some labelled, some graded by the model that is deployed."""
    from images import phantoms
    from images.models import Image, Project
    from images.services import add_example, save_filter, tag_scans
    from labeling.reading.gold import mark_gold
    from labeling.reading.reviews import review_scan
    from mediscan_site.front.demo.scans import negative, noise

    admin, rossi, novak, okoye = (user_of(name) for name in ("r.lind", *DOCTORS))
    chest = Project.objects.get(name="Chest radiographs")
    normal, opacity = chest.class_rows.all()
    approved = list(Image.objects.filter(project=chest, approval_status="approved").order_by("pk"))
    add_example(actor=admin, project=chest, image=_first(approved, normal), label_class=normal, caption="Clear bases")
    add_example(
        actor=admin, project=chest, image=_first(approved, opacity), label_class=opacity, caption="A soft patch"
    )
    for scan in approved[:3]:
        mark_gold(actor=admin, image=scan)
    new = []
    for item in phantoms.iterate(24, 2, seed=11):
        item.image.save(out := io.BytesIO(), "JPEG", quality=92)
        labelled = (normal, opacity)[item.label == "OPACITY"] if len(new) % 4 == 0 else None
        facts = {"patient": item.patient, "modality": "X-ray", "body_part": "CHEST", "view": "PA"}
        new.append(
            _upload(chest, rossi if len(new) % 3 else okoye, out.getvalue(), item.image_id, label=labelled, **facts)
        )
    odd = [_upload(chest, rossi, noise(), "unknown.jpg"), _upload(chest, rossi, negative(out.getvalue()), "export.jpg")]
    comment = "The border of the heart is sharp. Is it a vessel?"
    review_scan(actor=novak, image=new[4], status="rejected", comment=comment)
    review_scan(actor=novak, image=new[8], status="approved")
    tag_scans(actor=rossi, images=new[1:9:3], add=["conference"])
    tag_scans(actor=rossi, images=new[2:5], add=["follow-up"])
    save_filter(actor=rossi, page="scans", project=chest, name="Not read yet", query={"label_status": "unlabeled"})
    _doubts(approved)
    return _graded(chest, novak, [*odd, *(scan for scan in new if scan.label_status == "unlabeled")][:16])


def _first(scans: list[Any], label: Any) -> Any:
    return next(scan for scan in scans if scan.label_class_id == label.pk)


def _doubts(approved: list[Any]) -> None:
    """As a training with folds leaves them."""
    from labeling.models import LabelDoubt

    for scan, sure in zip(approved[10:13], (0.94, 0.88, 0.81), strict=True):
        other = scan.project.class_rows.exclude(pk=scan.label_class_id).get()
        about = {"given": scan.label_class, "suggested": other, "given_probability": 1 - sure}
        LabelDoubt.objects.create(image=scan, suggested_probability=sure, source="training-run-1", **about)


def _graded(chest: Any, novak: Any, scans: list[Any]) -> dict[str, Any]:
    from models_registry.batches.services import start_batch
    from models_registry.models import Grade, Referral
    from models_registry.worklists.services import read_referral

    batch = start_batch(actor=novak, project=chest, images=scans)
    deadline = time.monotonic() + LIMIT_S
    while batch.status not in ("succeeded", "failed") and time.monotonic() < deadline:
        time.sleep(1)
        batch.refresh_from_db()
    waiting = list(Referral.objects.filter(project=chest, active=True).order_by("pk"))
    read = waiting[0]
    read_referral(actor=novak, referral=read, ungradable="poor image quality", comment="This is no radiograph.")
    answered = Grade.objects.filter(project=chest, status="succeeded").exclude(decision="refer").order_by("pk").last()
    referred = Grade.objects.filter(project=chest, decision="refer").order_by("pk").last()
    return {
        "batch": batch.pk,
        "read": read.pk,
        "waiting": waiting[1].pk if len(waiting) > 1 else read.pk,
        "answered": answered and answered.pk,
        "referred": referred and referred.pk,
    }


def sessions() -> dict[str, Any]:
    """For each person one, and what rows the pages are about that nobody told before."""
    from django.conf import settings
    from django.test import Client

    from labeling.models import Snapshot
    from training.models import TrainingRun

    made = {}
    for name in ("r.lind", *DOCTORS):
        client = Client()
        client.force_login(user_of(name), backend="django.contrib.auth.backends.ModelBackend")
        made[name] = client.cookies[settings.SESSION_COOKIE_NAME].value
    newest = {"dataset": Snapshot, "run": TrainingRun}
    rows = {name: model.objects.order_by("pk").last().pk for name, model in newest.items()}
    return {"cookie": settings.SESSION_COOKIE_NAME, "sessions": made, "rows": rows | {"user": user_of("a.rossi").pk}}


if __name__ == "__main__":
    main(sys.argv[1])
