"""What deletion reaches. A patient's scans go everywhere a site puts scans and words; then they are erased, and looked for."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image as Pillow

from images import renditions
from images.models import Image, RenditionKind
from labeling.datasets.freezing import freeze_snapshot
from labeling.exports import worker as export_worker
from labeling.exports.services import start_export
from labeling.imports import worker as import_worker
from labeling.models import Export, Import, ImportFile, SnapshotMember
from labeling.reading.queue import claim_scans
from labeling.reading.reviews import review_scan
from mediscan_site.core import tidy
from mediscan_site.core.models import IdempotencyRecord
from models_registry.deployments.services import deploy
from models_registry.grades.worker import draw, run_grade
from models_registry.models import Grade
from tests.conftest import scan_bytes
from tests.images.decoding.dicoms import dicom
from tests.models_registry.conftest import _no_predictor_stays_in_memory  # noqa: F401 -- a fixture of this file too
from tests.site.planted import cells, picture_hits, word_hits
from tests.training.conftest import child_sees_the_test, no_broker  # noqa: F401
from training.models import TrainingRun
from training.process import runner
from training.services import start_run
from training.wishes import Wishes

pytestmark = pytest.mark.django_db(transaction=True)

NAME, NUMBER, STREET = "Zwetschgenmann", "MRN-77120-0815", "Quittenallee"
FILES = ("Zwetschgenmann_1.jpg", "Zwetschgenmann_2.jpg", "Zwetschgenmann_3.png")
FREE_TEXT = ("comment-of-the-reader", "comment-of-the-reviewer", "comment-on-the-grade", "reason-it-is-ungradable")
REST = ("ACC-zwetschge-9", "Spital Zwetschgenau", "Zwetschgen.zip")
MISSING = ("Zwetschgenmann_lost.png", "QQ-lost.png", "RR-lost.png")
NO_SCAN = ("Zwetschgenmann_4.jpg", "SS-broken.jpg")
WORDS = (*MISSING, *NO_SCAN, NAME, NUMBER, STREET, *FILES, *FREE_TEXT, *REST)


def picture(seed: int) -> np.ndarray:
    """Blots that no phantom has."""
    blots = np.random.default_rng(seed).integers(0, 256, (12, 14), dtype=np.uint8)
    return np.asarray(Pillow.fromarray(blots).resize((210, 180), Pillow.Resampling.BICUBIC))


PICTURES = [picture(seed) for seed in range(4)]


def saved(number: int, form: str) -> bytes:
    exif, out = Pillow.Exif(), io.BytesIO()
    exif[0x010E] = f"{NAME}, {STREET} 5"
    Pillow.fromarray(PICTURES[number]).save(out, form, exif=exif, quality=95)
    return out.getvalue()


def file(name: str, data: bytes) -> io.BytesIO:
    found = io.BytesIO(data)
    found.name = name
    return found


class Story:
    """The patient's way through the site, by the API and the real workers."""

    def __init__(self, author, colleague, admin, project, api) -> None:
        self.author, self.colleague, self.admin, self.project, self.api = author, colleague, admin, project, api
        self.keys = 0
        self.codes: list[str] = []

    def post(self, who, path: str, body, form: str = "json"):
        self.keys += 1
        answer = self.api(who).post(f"/api/v1/{path}", body, format=form, HTTP_IDEMPOTENCY_KEY=f"key {self.keys}")
        assert answer.status_code < 300, answer.content
        return answer.json()

    def upload(self) -> None:
        facts = {"project": self.project.pk, "patient": NUMBER, "institution": REST[1], "external_id": REST[0]}
        first = self.post(
            self.author, "images/", {**facts, "file": file(FILES[0], saved(0, "JPEG")), "split": "train"}, "multipart"
        )
        scan = dicom(PICTURES[3], PatientName=NAME, PatientID=NUMBER, PatientAddress=STREET, Modality="CR")
        last = self.post(self.author, "images/", {"project": self.project.pk, "file": file("x.dcm", scan)}, "multipart")
        self.codes += [first["image_id"], last["image_id"]]

    def bring_in_a_zip(self) -> None:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr(f"train/NORMAL/{FILES[1]}", saved(1, "JPEG"))
            archive.writestr(f"train/OPACITY/{FILES[2]}", saved(2, "PNG"))
            rows = [f"{FILES[1]},OPACITY,{NUMBER}", f"{FILES[1]},NORMAL,{NUMBER}", f"{FILES[2]},,{NUMBER}"]
            rows += [f"{MISSING[0]},,", f"{MISSING[1]},,{NUMBER}"]
            archive.writestr(f"train/NORMAL/{NO_SCAN[0]}", b"no picture at all")
            archive.writestr("labels.csv", "\n".join(["image_id,label,patient", *rows]))
        body = {"project": self.project.pk, "file": file(REST[2], out.getvalue())}
        batch = self.post(self.author, "imports/", body, "multipart")
        import_worker.run(batch["id"])
        assert Import.objects.get(pk=batch["id"]).status == "succeeded"
        lines = ImportFile.objects.exclude(code="").count()
        assert lines == 4, "rows that contradict each other, two rows without a file, a file without a scan"
        self.codes += [image.code for image in Image.objects.filter(file_name__in=FILES[1:])]
        self.bring_it_in_pieces(out.getvalue())
        self.bring_in_somebody_else()

    def bring_in_somebody_else(self) -> None:
        """A ZIP with another patient's scan, whose labels file names this one as well."""
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr("other.png", scan_bytes(77))
            archive.writestr(NO_SCAN[1], b"no picture either")
            rows = [
                "other.png,OTHER-1",
                f"{MISSING[2]},{NUMBER.lower()}",
                f"{NO_SCAN[1]},{NUMBER}",
                "keeps-it.png,OTHER-1",
            ]
            archive.writestr(
                "labels.csv", "\n".join(["image_id,label,patient", *(row.replace(",", ",,") for row in rows)])
            )
        batch = self.post(
            self.author,
            "imports/",
            {"project": self.project.pk, "file": file("others.zip", out.getvalue())},
            "multipart",
        )
        import_worker.run(batch["id"])

    def bring_it_in_pieces(self, data: bytes) -> None:
        """The same ZIP again, as a browser sends a large one; its scans are there already."""
        upload = self.post(
            self.author, "uploads/", {"project": self.project.pk, "file_name": REST[2], "size": len(data)}
        )
        half = len(data) // 2
        for first, piece in ((0, data[:half]), (half, data[half:])):
            answer = self.api(self.author).put(
                f"/api/v1/uploads/{upload['id']}/",
                piece,
                content_type="application/octet-stream",
                HTTP_CONTENT_RANGE=f"bytes {first}-{first + len(piece) - 1}/{len(data)}",
            )
            assert answer.status_code < 300, answer.content
        import_worker.run(answer.json()["id"])
        assert ImportFile.objects.filter(outcome="duplicate").count() == 2

    def read(self) -> None:
        """Labels, reviews, leases, and every picture looked at."""
        ungradable = {"image": self.codes[1], "ungradable": FREE_TEXT[3]}
        self.post(self.author, "labels/", ungradable)
        self.post(self.author, "labels/", {"image": self.codes[0], "label": "NORMAL", "comment": FREE_TEXT[0]})
        # Its rows contradicted each other, so it came in without a label.
        self.post(self.author, "labels/", {"image": self.codes[2], "label": "OPACITY"})
        for code in (self.codes[0], *self.codes[2:]):
            self.post(self.colleague, "reviews/", {"image": code, "status": "approved", "comment": FREE_TEXT[1]})
        claim_scans(actor=self.colleague, project=self.project, task="review", n=3)
        for image in self.scans():
            for kind in RenditionKind:
                renditions.ensure(image, kind)

    def train_and_grade(self) -> None:
        snapshot = freeze_snapshot(actor=self.admin, project=self.project)
        assert SnapshotMember.objects.filter(image__in=self.scans()).count() == 3
        wishes = Wishes.of(image_size=32, epochs=1, batch_size=4, pretrained="false")
        run = start_run(actor=self.admin, project=self.project, snapshot=snapshot, wishes=wishes)
        runner.run(run.pk)
        run.refresh_from_db()
        assert run.status == "succeeded", run.error
        assert run.shown_scans.filter(image__in=self.scans()).exists()
        deploy(actor=self.admin, model=run.model, override_reason="the only one there is")
        for image in self.scans():
            grade = self.post(self.author, "grades/?wait=0", {"image": image.code})
            run_grade(grade["id"])
            draw(grade["id"])
            body = {"grade": grade["id"], "correct": True, "comment": FREE_TEXT[2]}
            self.post(self.author, "feedback/", body)
        assert Grade.objects.filter(heatmap__isnull=False).count() == 4

    def export(self) -> None:
        snapshot = SnapshotMember.objects.first().snapshot  # type: ignore[union-attr]
        for asked in ({"snapshot": snapshot}, {"filters": {"search": NAME}}, {"filters": {"patient": NUMBER}}):
            export = start_export(actor=self.admin, project=self.project, **asked)  # type: ignore[arg-type]
            export_worker.run(export.pk)
        assert Export.objects.filter(status="succeeded", blob__isnull=False).count() == 3
        start_export(actor=self.author, project=self.project, snapshot=snapshot)
        asked = self.post(self.author, "exports/", {"project": self.project.pk, "search": NAME})
        export_worker.run(asked["id"])

    def scans(self) -> list[Image]:
        return list(Image.objects.filter(pk__in=[int(code.removeprefix("img")) for code in self.codes]))


@pytest.fixture
def story(
    child_sees_the_test,  # noqa: F811
    approved_scans,
    author,
    colleague,
    admin,
    project,
    api,
):
    told = Story(author, colleague, admin, project, api)
    for number, side in enumerate(("train", "val", "test")):
        approved_scans(4, first_seed=100 * number, split=side)
    told.upload()
    told.bring_in_a_zip()
    told.read()
    told.train_and_grade()
    told.export()
    return told


def test_nothing_of_an_erased_patient_is_found_anywhere(story):
    assert len(story.codes) == 4
    before = word_hits(WORDS)
    assert {hit.rsplit(": ", 1)[1] for hit in before} >= set(WORDS) - {NUMBER, STREET}, "the search finds what is there"
    assert len(picture_hits(PICTURES)) >= 4 * 4
    assert IdempotencyRecord.objects.count() == story.keys
    pseudonym = story.scans()[0].patient
    assert {image.patient for image in story.scans()} == {pseudonym}

    answer = story.api(story.admin).post(
        f"/api/v1/projects/{story.project.pk}/erase-patient/",
        {"patient": NUMBER, "reason": "asked for it"},
        format="json",
    )
    assert answer.data == {"erased": 4}
    tidy.run()
    assert word_hits(WORDS) == []
    assert picture_hits(PICTURES) == []
    # All that names it is the side its group keeps, lest a returning scan of the patient land on another side, and the trail of
    # those who searched for it.
    named = {where for where, value in cells() if str(pseudonym).encode() in value}
    assert named == {"labeling.GroupSide.group", "core.AuditEvent.details"}
    assert SnapshotMember.objects.filter(image__in=story.scans(), sha256="").count() == 3
    for export in Export.objects.filter(status="queued"):
        export_worker.run(export.pk)
    assert Export.objects.filter(blob__isnull=False).count() == 1
    assert word_hits(WORDS) + picture_hits(PICTURES) == []
    assert not TrainingRun.objects.filter(inputs_sheet__isnull=False).exists()
    others = Image.objects.filter(erased_at__isnull=True)
    assert others.count() == 13
    assert ImportFile.objects.filter(path__endswith="keeps-it.png").exists(), "what is somebody else's stays"
    for image in others:
        renditions.ensure(image, RenditionKind.VIEW)
    review_scan(actor=story.colleague, image=others[0], status="approved")
