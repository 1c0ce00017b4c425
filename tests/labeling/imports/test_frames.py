"""Multi-frame files that are split on import: each frame a scan, all of one patient."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image as Picture

from images.models import Image
from labeling.imports import selectors, worker
from labeling.imports.services import start_import
from labeling.models import Import


def pages(count: int, *, seed: int = 0) -> bytes:
    """A TIFF of noise; another seed gives other pictures."""
    out, dice = io.BytesIO(), np.random.default_rng(seed)
    made = [Picture.fromarray(dice.integers(0, 256, (50, 60 + number), dtype=np.uint8)) for number in range(count)]
    made[0].save(out, "TIFF", save_all=True, append_images=made[1:])
    return out.getvalue()


def bring(actor, project, files: dict[str, bytes], *, split_frames: bool = True, run: bool = True) -> Import:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for name, data in files.items():
            made.writestr(name, data)
    batch = start_import(actor=actor, project=project, source=out, file_name="x.zip", split_frames=split_frames)
    if run:
        worker.run(batch.pk)
    return selectors.imports(actor).get(pk=batch.pk)


def test_each_page_becomes_a_scan_of_one_study(author, project):
    batch = bring(author, project, {"train/NORMAL/a.tiff": pages(3), "train/NORMAL/b.tiff": pages(1, seed=1)})
    assert (batch.status, batch.total, batch.created, batch.rejected) == ("succeeded", 4, 4, 0)  # type: ignore[attr-defined]
    frames = list(Image.objects.filter(frame__isnull=False).order_by("frame"))
    assert [(scan.file_name, scan.frame, scan.frames, scan.split) for scan in frames] == [
        (f"a#{number}.tiff", number, 1, "train") for number in (1, 2, 3)
    ]
    assert len({scan.study for scan in frames}) == 1 and frames[0].study.startswith("ST")
    # Nobody says whose pictures they are: no data set may say that it is split by patient.
    assert {scan.patient for scan in frames} == {None}
    whole = Image.objects.get(frame__isnull=True)
    assert (whole.file_name, whole.study, whole.label_class.name) == ("b.tiff", None, "NORMAL")


def test_the_stated_patient_and_external_id_hold_for_all_frames(author, project):
    rows = b"image_id,label,patient,external_id\na.tiff,OPACITY,p7,e1\n"
    bring(author, project, {"a.tiff": pages(2), "labels.csv": rows})
    from images.facts import keyed

    found = Image.objects.order_by("frame").values_list("patient", "external_id", "label_class__name")
    patient = keyed(project.pk, "p7")
    assert list(found) == [(patient, "e1#1", "OPACITY"), (patient, "e1#2", "OPACITY")]


def test_without_the_wish_the_file_stays_one_scan(author, project):
    bring(author, project, {"a.tiff": pages(3)}, split_frames=False)
    assert list(Image.objects.values_list("frames", "frame")) == [(3, None)]


def test_a_file_that_breaks_off_is_named_and_the_others_come_in(author, project):
    batch = bring(author, project, {"a.tiff": pages(3)[:-40], "b.tiff": pages(2, seed=1), "c.txt": b"no picture"})
    found = dict(selectors.import_errors(batch).values_list("path", "code"))
    assert set(found) == {"a.tiff", "c.txt"}
    assert Image.objects.filter(file_name__startswith="b#").count() == 2


def test_a_repeated_attempt_doubles_no_frame(author, project, monkeypatch):
    from images.services import scans
    from labeling.imports import stream

    monkeypatch.setattr(stream, "GROUP", 2)
    real, groups = scans.insert, []

    def killed(*given):
        groups.append(given)
        if len(groups) == 2:
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(scans, "insert", killed)
    batch = bring(author, project, {"a.tiff": pages(5)}, run=False)
    with pytest.raises(KeyboardInterrupt):
        worker.run(batch.pk)
    Import.objects.filter(pk=batch.pk).update(status="queued")
    worker.run(batch.pk)
    done = selectors.imports(author).get(pk=batch.pk)
    assert (done.status, done.total, done.created, done.duplicates) == ("succeeded", 5, 5, 0)  # type: ignore[attr-defined]
    assert list(Image.objects.order_by("frame").values_list("frame", flat=True)) == [1, 2, 3, 4, 5]


def test_the_frames_of_a_real_series_are_of_the_patient_that_it_names(author, project, shared_data):
    import pydicom

    several = [
        path
        for path in sorted((shared_data / "dicom").glob("*.dcm"))
        if int(pydicom.dcmread(path, stop_before_pixels=True, force=True).get("NumberOfFrames") or 1) > 1
    ]
    if not several:
        pytest.skip("no multi-frame DICOM among the shared files")
    batch = bring(author, project, {path.name: path.read_bytes() for path in several})
    assert batch.created > len(several)  # type: ignore[attr-defined]
    for path in several:
        frames = Image.objects.filter(file_name__startswith=f"{path.stem}#")
        assert len(set(frames.values_list("patient", flat=True))) <= 1
        studies = set(frames.values_list("study", flat=True))
        assert len(studies) <= 1 and None not in studies


def test_the_api_and_the_page_take_the_wish(api, author, project, client):
    from django.core.files.uploadedfile import SimpleUploadedFile

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr("a.tiff", pages(2))

    def sent() -> SimpleUploadedFile:
        return SimpleUploadedFile("x.zip", out.getvalue())

    form = {"project": project.pk, "file": sent(), "split_frames": "true"}
    assert api(author).post("/api/v1/imports/", form, format="multipart").status_code == 202
    client.force_login(author)
    page = client.post(f"/projects/{project.pk}/upload/", {"file": sent(), "split_frames": "on"})
    assert page.status_code == 200
    assert list(Import.objects.values_list("split_frames", flat=True)) == [True, True]
