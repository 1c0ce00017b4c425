"""What services say, on the pages of somebody who reads German; rows, the API and logs keep it in English."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import translation

from labeling.models import Import, ImportFile
from mediscan_site.core import notices, services, text
from mediscan_site.core.errors import Invalid
from mediscan_site.core.models import Notice
from models_registry.models import Evaluation
from tests.conftest import scan_bytes
from tests.pages.conftest import texts

GERMAN = {"accept-language": "de"}
EMPTY = "The file is empty. Export the scan again and upload the new file."
GONE = "The stored ZIP is gone. Send it again."


def page(client, name: str, *args) -> str:
    return texts(client.get(reverse(name, args=args), headers=GERMAN))


def test_a_refused_upload_says_why_in_german_and_the_others_come_in(browser, author, project):
    files = [
        SimpleUploadedFile("a.jpg", scan_bytes(1), "image/jpeg"),
        SimpleUploadedFile("empty.png", b"\x00", "image/png"),
    ]
    url = reverse("upload", args=[project.pk])
    answer = browser(author).post(url, {"file": files}, headers=GERMAN)
    assert [row.outcome for row in answer.context["received"]] == ["created", "rejected"]
    assert "Exportieren Sie die Aufnahme in einer davon und laden Sie sie hoch." in texts(answer)
    assert "This is not a" not in texts(answer)


def test_a_refused_form_says_why_beside_its_field(browser, admin, project):
    form = browser(admin).get(reverse("project_create")).context["form"]
    data = {
        **{name: value for name, value in form.initial.items() if value not in (None, True, False)},
        "name": project.name,
    }
    data |= {"classes": "A\nB", "coverage_target": "0.9", "intended_use": "Screening.", "limitations": "None known."}
    answer = browser(admin).post(reverse("project_create"), data, headers=GERMAN)
    assert answer.status_code == 400
    assert f"Es gibt bereits ein Projekt namens „{project.name}“. Wählen Sie einen anderen Namen." in texts(answer)


def test_a_refusal_without_a_form_is_a_message_in_german(browser, author, make_scan, project):
    scan = make_scan(seed=1)
    answer = browser(author).post(
        reverse("scan_review", args=[scan.pk]),
        {"status": "approved", "version": scan.version},
        headers=GERMAN,
        follow=True,
    )
    assert "Diese Aufnahme hat kein Label" in texts(answer)


def test_the_page_of_a_refusal_is_german(browser, author, project):
    answer = browser(author).get(reverse("project_settings", args=[project.pk]), headers=GERMAN)
    assert answer.status_code == 403
    assert "Sie dürfen in diesem Projekt nicht: Klassen, Mitglieder und Rechte verwalten." in texts(answer)
    assert "<h1>Nicht erlaubt</h1>" in texts(answer)


def test_a_failed_job_and_its_list_say_why_in_german(browser, author, project):
    batch = Import.objects.create(
        project=project, created_by=author, file_name="many.zip", status="failed", error=GONE, total=0
    )
    for shown in (page(browser(author), "import", batch.pk), page(browser(author), "jobs")):
        assert "Die gespeicherte ZIP-Datei ist weg. Senden Sie sie noch einmal." in shown
        assert GONE not in shown
    assert Import.objects.get().error == GONE
    assert GONE in texts(browser(author).get(reverse("import", args=[batch.pk])))


def test_the_report_of_an_import_is_german_and_names_stay(browser, author, project):
    batch = Import.objects.create(project=project, created_by=author, file_name="many.zip", status="succeeded", total=2)
    details = (
        "The project has no class 'Doctor'. Its classes are: NORMAL, OPACITY.",
        "row 3 of the labels file names several findings (a, b), and a scan has one class: it gets no label. Label it, or "
        "send a labels file with image_id and one label a row; or ask for one finding (`finding`).",
    )
    for number, detail in enumerate(details):
        ImportFile.objects.create(
            batch=batch,
            path=f"{number}.png",
            path_digest=f"{number}",
            outcome="rejected",
            code="invalid",
            detail=detail,
        )
    shown = page(browser(author), "import", batch.pk)
    assert "Das Projekt hat keine Klasse „Doctor“. Seine Klassen sind: NORMAL, OPACITY." in shown
    assert "Zeile 3 (Label-Datei) nennt mehrere Befunde (a, b)" in shown


def test_what_a_value_holds_is_still_escaped(browser, author, project):
    error = "The project has no class '<script>'. Its classes are: NORMAL."
    batch = Import.objects.create(
        project=project, created_by=author, file_name="a.zip", status="failed", error=error, total=0
    )
    shown = page(browser(author), "import", batch.pk)
    assert "keine Klasse „&lt;script&gt;“" in shown


def test_a_notice_and_a_remark_are_german(browser, admin, make_scan):
    notices.put(
        "gpu",
        "GRADE_DEVICE=cuda, but PyTorch finds no GPU here: the processor answers. Set GRADE_DEVICE=auto or mend it.",
    )
    assert "aber PyTorch findet hier keine GPU" in page(browser(admin), "dashboard")
    assert Notice.objects.get(key="gpu").sentence.startswith("GRADE_DEVICE=cuda, but")
    scan = make_scan(seed=1)
    type(scan).objects.update(notes=["Frame 1 of 12 is used; the others are ignored."])
    assert "Einzelbild 1 von 12 wird verwendet; die anderen werden ignoriert." in page(browser(admin), "scan", scan.pk)


def test_the_page_of_a_version_says_its_facts_in_german(browser, admin, project, make_version):
    model = make_version()
    shown = page(browser(admin), "model", model.pk)
    assert "Trainiert bei einer Prävalenz von NORMAL 50%, OPACITY 50%." in shown
    assert "Grau, 32 px je Seite, zum Quadrat gestaucht" in shown
    assert "PyTorch bedient sie, langsamer, bis ihr Graph gemacht ist" in shown
    Evaluation.objects.create(
        model=model, snapshot=model.snapshot, requested_by=admin, status="failed", error="Every scan of this test split "
        "was erased. Freeze a new data set and use that one.",
    )  # fmt: skip
    assert "Alle Aufnahmen dieser Testteilmenge wurden gelöscht." in page(browser(admin), "model", model.pk)


def test_the_api_answers_in_english_whatever_the_caller_reads(api, author, project, make_scan):
    services.set_preferences(actor=author, values={"language": "de"})
    scan = make_scan(seed=1)

    def answers(**headers) -> list[bytes]:
        client = api(author)
        refused = client.post("/api/v1/reviews/", {"image": scan.pk, "status": "approved"}, headers=headers)
        missing = client.get("/api/v1/projects/999999/", headers=headers)
        wrong = client.get("/api/v1/images/?ordering=none", headers=headers)
        return [answer.content for answer in (refused, missing, wrong)]

    plain = answers()
    assert answers(accept_language="de") == answers(accept_language="de-CH,de;q=0.9") == plain
    assert b"This scan has no label, so there is nothing to review." in plain[0]
    assert b"Order by one of: id" in plain[2]


def test_what_a_german_page_was_refused_is_kept_in_english():
    with translation.override("de"), pytest.raises(Invalid) as refused:
        text.line("", attr="name", max_length=5, required=True)
    assert refused.value.detail == str(refused.value) == "name may not be empty."


def test_scripts_of_a_german_page_are_told_the_words_and_others_need_none(browser, author):
    client = browser(author)
    assert (
        client.post(reverse("said"), {"text": EMPTY}, headers=GERMAN).json()["said"].startswith("Die Datei ist leer.")
    )
    assert client.post(reverse("said"), {"text": "Inverted papilloma"}, headers=GERMAN).json() == {
        "said": "Inverted papilloma"
    }
    assert client.post(reverse("said"), {"text": EMPTY}).json() == {"said": EMPTY}
    assert client.get(reverse("said")).status_code == 405
    shown = client.get(reverse("dashboard"), headers=GERMAN).content.decode()
    assert f'data-said="{reverse("said")}"' in shown
    assert "data-said" not in client.get(reverse("dashboard")).content.decode()
