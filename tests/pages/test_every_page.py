"""Every page opens for those who may see it, with real rows, and for nobody else."""

import io
from html.parser import HTMLParser

import polib
import pytest
from django.conf import settings
from django.urls import reverse

from images.models import RESEARCH_USE
from images.services import ScanFacts, create_project
from labeling.imports.previews import hold_zip
from labeling.imports.services import upload_scan
from labeling.reading.labels import label_scan
from tests.conftest import scan_bytes
from tests.labeling.imports.sets import packed

NASTY = "<script>alert(1)</script>"


@pytest.fixture
def rows(project, author, make_scan, answered, made_run, snapshot, admin):
    """Keys of one of everything."""
    from labeling.models import Import, LabelDoubt
    from models_registry.batches.services import start_batch
    from models_registry.models import Referral

    labelled = make_scan(seed=1, label="OPACITY", patient="p1")
    LabelDoubt.objects.create(
        image=labelled,
        given=labelled.label_class,
        suggested=project.class_rows.get(name="NORMAL"),
        given_probability=0.07,
        suggested_probability=0.93,
        source="training-run-1",
    )
    grade = answered(seed=2)
    batch = Import.objects.create(project=project, created_by=author, file_name="many.zip", status="succeeded", total=3)
    referral = Referral.objects.create(project=project, image=grade.image, grade=grade)
    return {
        **watched_rows(project, author, grade, admin),
        "project": project.pk,
        "referral": referral.pk,
        "batch": start_batch(actor=author, project=project, images=[grade.image]).pk,
        "scan": labelled.pk,
        "grade": grade.pk,
        "graded": grade.image_id,
        "model": grade.model_id,
        "dataset": snapshot.pk,
        "import": batch.pk,
        "held": hold_zip(actor=author, project=project, source=packed({"a.jpg": b"x"}), file_name="held.zip").pk,
        "run": made_run().pk,
    }


def watched_rows(project, author, grade, admin) -> dict[str, int]:
    """An acceptance test, a look at the version with an alarm, and an answer for the colleague to read blind."""
    from models_registry.acceptance.services import begin_test
    from models_registry.models import Alarm, BlindRead, Watch
    from models_registry.watch import reads, worker
    from tests.models_registry.watch.conftest import reference

    model = grade.model
    model.reference = reference() | {"prediction": [model.classes[i % 2]["id"] for i in range(200)]}
    model.save()
    type(grade).objects.filter(pk=grade.pk).update(distance=1.4, spread=0.1)
    look = Watch.objects.create(project=project, model=model)
    worker.run_watch(look.pk)
    alarm = Alarm.objects.create(
        project=project,
        model=model,
        site=grade.site,
        score="distance",
        rule="tell",
        limit=1000,
        log_capital=7.1,
        seen=9,
    )
    BlindRead.objects.create(project=project, grade=grade, share=0.1)
    reads.claim(actor=admin, project=project)
    test = begin_test(actor=admin, model=model, institution="Klinik Nord", wanted=10)
    return {"acceptance": test.pk, "alarm": alarm.pk}


# Name, argument, who opens it, and words that only a page with its rows has.
PAGES = [
    ("dashboard", None, "author", ["Chest X-ray", "To label", "{run}", "Latest grades"]),
    ("project_list", None, "author", ["Chest X-ray", "OPACITY"]),
    ("project_create", None, "admin", ["One class per line"]),
    ("project", "project", "author", ["Only approved scans train", "Splits", "Four eyes"]),
    ("project_settings", "project", "admin", ["Retire", "Rename", "Save"]),
    ("project_members", "project", "admin", ["author", "Give author the right to train", "Remove"]),
    ("scan_list", "project", "author", ["{scan}", "scan1.jpg", "Download as CSV", "OPACITY"]),
    ("study", "scan", "author", ["Nothing says which study {scan} belongs to", "scan1.jpg"]),
    ("upload", "project", "author", ["A ZIP of many", "labels.csv", "many.zip"]),
    ("upload_preview", "held", "author", ["What is in held.zip", "Start the import", "Without a label"]),
    ("label_next", "project", "author", ["{graded}", "NORMAL", "Nobody can tell", "Skip", "1 to go"]),
    ("review", "project", "colleague", ["{scan}", "Approve", "Reject", "OPACITY"]),
    ("label_grid", "project", "author", ["{graded}", "NORMAL", "Ungradable", "One by one"]),
    ("tag_list", "project", "author", ["No tags yet"]),
    ("review_many", "project", "colleague", ["Approve the ticked", "{scan}"]),
    ("doubts", "project", "colleague", ["{scan}", "93.0 %", "Keep the label", "training-run-1"]),
    ("adjudication", "project", "colleague", ["Nothing to adjudicate"]),
    ("agreement", "project", "author", ["No scan was read by several"]),
    ("readers", "project", "admin", ["Time of a read, median", "author", "Download as CSV"]),
    ("gold", "project", "admin", ["Mark as gold", "No gold scan yet"]),
    ("dataset_list", "project", "author", ["{dataset}", "patient"]),
    ("dataset", "dataset", "author", ["Content hash", "Left out"]),
    ("import", "import", "author", ["many.zip", "succeeded", "Already there"]),
    ("training", "project", "admin", ["{run}", "running", "Watch it"]),
    (
        "run",
        "run",
        "admin",
        [
            "Cancel the run",
            "the one with the lowest validation",
            "0.900 (0.812 to 0.977)",
            "begun again",
            "From scratch, as asked.",
            "polyline",
        ],
    ),
    ("model_list", "project", "author", ["Deployed:", "{model}", "0.900 (0.800 to 0.970)", "Compare {model}"]),
    ("model", "model", "admin", ["Confusion matrix", "40 scans", "read 1 time", "grouped by patient", "Model card"]),
    ("grade", "project", "author", ["{model}", "Look at the scan yourself first", "Research use only"]),
    ("grade_detail", "grade", "author", ["Is this right?", "Show what spoke for", "Research use only"]),
    ("grade_batches", "project", "author", ["Grade all scans", "Selection", "{model}", "many.zip"]),
    ("grade_batch", "batch", "author", ["{graded}", "{model}", "Cancel", "Results as CSV", "waiting"]),
    ("referrals", "project", "colleague", ["{graded}", "1 referred scan waits", "NORMAL", "Nobody can tell", "Skip"]),
    ("referral", "referral", "author", ["{graded}", "This scan waits to be read"]),
    ("acceptance_list", "project", "admin", ["Begin a test", "0 of 10", "answered with a"]),
    ("acceptance", "acceptance", "admin", ["{model}", "0 of 10", "Record the decision", "Left out"]),
    (
        "watching",
        "model",
        "admin",
        [
            "Alarm at no institution named",
            "Record the decision",
            "Online test of how far",
            "Share referred",
            "polyline",
        ],
    ),
    ("blind_reads", "project", "admin", ["{graded}", "What you see", "Record", "Give it back"]),
    ("history", None, "author", ["{graded}", "{model}", "Research use only"]),
    ("scan", "scan", "author", ["scan1.jpg", "pseudonym", "labelled OPACITY", "Withdraw the label"]),
    ("scan_timeline", "scan", "author", ["uploaded as scan1.jpg", "labelled OPACITY", "author"]),
    ("scan_edit", "scan", "author", ["Pixel spacing", "Save"]),
    ("jobs", None, "author", ["{run}", "many.zip", "{graded} by {model}"]),
    ("audit", None, "admin", ["scan.upload", "label.create", "author"]),
    ("password_change", None, "author", ["Change your password"]),
    ("user_list", None, "admin", ["author@hospital.example", "Invite somebody", "Doctor"]),
    ("user_new", None, "admin", ["Send the invitation", "Chest X-ray", "Reviewer"]),
    ("account", None, "author", ["Time zone", "Service tokens", "Chest X-ray", "Log out everywhere else"]),
    ("messages", None, "author", ["You are told here"]),
    ("search", None, "author", ["pseudonym"]),
]


def coded(rows: dict[str, int], words: list[str]) -> list[str]:
    """The words with the codes of the rows in them; keys differ from database to database."""
    codes = {
        "scan": f"img{rows['scan']:06d}",
        "graded": f"img{rows['graded']:06d}",
        "run": f"training{rows['run']:03d}",
    }
    return [
        word.format(**codes, model=f"model{rows['model']:03d}", dataset=f"dataset{rows['dataset']:03d}")
        for word in words
    ]


def address(rows: dict[str, int], name: str, argument: str | None) -> str:
    return reverse(name, args=[rows[argument]] if argument else [])


def test_every_page_shows_its_rows(request, rows, browser):
    wrong = {}
    for name, argument, persona, words in PAGES:
        answer = browser(request.getfixturevalue(persona)).get(address(rows, name, argument))
        page = answer.content.decode()
        missing = [word for word in [*coded(rows, words), "Research use only"] if word not in page]
        forbidden = [words for words in (' style="', " onclick=") if words in page]
        if answer.status_code != 200 or missing or forbidden:
            wrong[name] = (answer.status_code, missing, forbidden)
    assert wrong == {}


class Forms(HTMLParser):
    """`buttons`: of each form, in their order, what each of its buttons that send it says; nothing of one that is disabled."""

    def __init__(self) -> None:
        super().__init__()
        self.buttons: list[list[str]] = []

    def handle_starttag(self, tag, attrs) -> None:
        given = dict(attrs)
        if tag == "form":
            self.buttons.append([])
        elif tag == "button" and given.get("type", "submit") == "submit" and "form" not in given:
            self.buttons[-1].append("" if "disabled" in given else given.get("name", "send"))


def test_enter_in_a_field_never_chooses_among_buttons(rows, request, browser):
    """Enter presses a form's first button. Where several mean different things it must be one that does nothing: a comment that
    ends with Enter once gave a scan the first class, and approved a label that the reviewer had written against."""
    wrong, several = [], 0
    for name, argument, persona, _ in PAGES:
        page = browser(request.getfixturevalue(persona)).get(address(rows, name, argument)).content.decode()
        found = Forms()
        found.feed(page)
        choosing = [says for says in found.buttons if len(says) > 1]
        several += len(choosing)
        wrong += [(name, says) for says in choosing if says[:2] != ["", "nothing"]]
    assert several >= 4 and wrong == []


def test_the_pages_of_a_project_do_not_exist_for_an_outsider(rows, browser, outsider):
    person = browser(outsider)
    seen = {page[0]: person.get(address(rows, page[0], page[1])).status_code for page in PAGES if page[1]}
    assert seen == dict.fromkeys(seen, 404)


def test_every_page_sends_who_is_not_signed_in_to_the_login(rows, browser):
    urls = [address(rows, page[0], page[1]) for page in PAGES]
    answers = {url: browser().get(url) for url in urls}
    sent_to = {url: answer.headers.get("Location") for url, answer in answers.items()}
    assert sent_to == {url: f"{reverse('login')}?next={url}" for url in urls}


@pytest.mark.parametrize("name", ["project_create", "audit"])
def test_a_doctor_may_not_open_an_administrators_page(browser, author, name):
    assert browser(author).get(reverse(name)).status_code == 403


def test_a_doctor_without_the_right_to_manage_cannot_open_the_settings(browser, author, project):
    assert browser(author).get(reverse("project_settings", args=[project.pk])).status_code == 403


@pytest.mark.parametrize("name", ["dashboard", "project_list", "history", "jobs"])
def test_a_list_without_rows_says_what_to_do_next(browser, outsider, name):
    page = browser(outsider).get(reverse(name)).content.decode()
    assert "card empty" in page


@pytest.mark.parametrize(
    "name",
    [
        "label_next",
        "review",
        "doubts",
        "adjudication",
        "agreement",
        "readers",
        "dataset_list",
        "training",
        "model_list",
        "grade",
        "grade_batches",
        "referrals",
        "scan_list",
        "project",
    ],
)
def test_an_empty_project_says_what_to_do_next(browser, author, project, name):
    page = browser(author).get(reverse(name, args=[project.pk])).content.decode()
    assert "card empty" in page


@pytest.mark.parametrize(
    ("name", "argument", "words"),
    [
        ("run", "run", "Loss"),
        ("label_next", "project", "{graded}"),
        ("grade_detail", "grade", "Is this right?"),
        ("jobs", None, "{run}"),
        ("grade_batch", "batch", "{graded}"),
        ("import", "import", "Already there"),
        ("model", "model", "Evaluations"),
    ],
)
def test_htmx_gets_the_fragment_alone(rows, browser, admin, author, name, argument, words):
    url = address(rows, name, argument)
    # The administrator is reading the graded scan blind: its grades are hidden from them.
    page = (
        browser(author if name == "grade_detail" else admin).get(url, headers={"HX-Request": "true"}).content.decode()
    )
    assert coded(rows, [words])[0] in page
    assert "<html" not in page


def test_a_running_job_asks_again_and_a_finished_one_does_not(browser, admin, made_run):
    from training.models import TrainingRun

    run = made_run()
    url = reverse("run", args=[run.pk])
    assert "every 2s" in browser(admin).get(url).content.decode()
    TrainingRun.objects.filter(pk=run.pk).update(status="failed", active=None, error="The worker was lost.")
    page = browser(admin).get(url).content.decode()
    assert "every 2s" not in page
    assert "The worker was lost." in page


# A page, who opens it, and the beginning of the question that one of its forms asks before it is sent.
QUESTIONS = [
    ("project_members", "project", "admin", "Remove author from this project"),
    ("project_settings", "project", "admin", "Retire NORMAL?"),
    ("merge_patients", "project", "admin", "Merge these two patients? It cannot be undone."),
    ("erase_patient", "project", "admin", "Erase all scans of this patient for good? It cannot be undone."),
    ("scan", "scan", "admin", "Erase {scan} for good?"),
    ("scan", "scan", "author", "Withdraw the label of {scan}?"),
    ("run", "run", "admin", "Cancel {run}?"),
    ("jobs", None, "admin", "Cancel {run}?"),
]


def test_what_cannot_be_taken_back_is_asked_about(request, rows, browser):
    missing = []
    for name, argument, persona, question in QUESTIONS:
        page = browser(request.getfixturevalue(persona)).get(address(rows, name, argument)).content.decode()
        if f'data-confirm="{coded(rows, [question])[0]}' not in page:
            missing.append((name, question))
    assert missing == []


def test_the_report_of_an_import_says_what_was_refused_without_codes(rows, browser, author):
    from labeling.models import ImportFile

    said = {"rejected": "This is a PDF.", "duplicate": "It is there.", "warning": "The label differs."}
    for outcome, detail in said.items():
        ImportFile.objects.create(
            batch_id=rows["import"],
            path=f"{outcome}.jpg",
            path_digest=outcome,
            outcome=outcome,
            code="some_code",
            detail=detail,
        )
    page = browser(author).get(address(rows, "import", "import")).content.decode()
    assert all(detail in page for detail in said.values())
    assert all(f'">{word}</span>' in page for word in ("refused", "already there", "remark"))
    assert "some_code" not in page


def test_a_scan_shows_its_whole_pseudonym_and_a_person_in_words(browser, author, make_scan):
    from images.models import Image, Metadata

    scan = make_scan(patient="p1")
    Image.objects.filter(pk=scan.pk).update(patient="P" + "X" * 29)
    Metadata.objects.update_or_create(image=scan, defaults={"sex": "F", "age": 1.0})
    page = browser(author).get(reverse("scan", args=[scan.pk])).content.decode()
    assert f"<code>P{'X' * 29}</code>" in page
    assert "female, 1 year<" in page


def test_what_people_type_is_escaped_wherever_it_is_shown(browser, admin):
    project = create_project(actor=admin, name=NASTY, classes=["<b>A", "B"], limitations=NASTY)
    image, _ = upload_scan(
        actor=admin,
        project=project,
        source=io.BytesIO(scan_bytes(7)),
        file_name=f"{NASTY}.jpg".replace("/", "_"),
        facts=ScanFacts(device=NASTY),
    )
    label_scan(actor=admin, image=image, label_class=project.class_rows.first(), comment=NASTY)
    client = browser(admin)
    for name, key in (("project", project), ("project_settings", project), ("scan_list", project), ("scan", image)):
        page = client.get(reverse(name, args=[key.pk])).content.decode()
        assert "&lt;script&gt;" in page or "&lt;b&gt;" in page
        assert "<script>alert" not in page
        assert "<b>A" not in page


def test_the_scan_list_pages_by_keyset_without_repeat_or_gap(browser, author, project, make_scan, monkeypatch):
    from images import views

    monkeypatch.setattr(views, "PAGE_SIZE", 3)
    made = {make_scan(seed=seed).code for seed in range(7)}
    client, url, seen = browser(author), reverse("scan_list", args=[project.pk]), []
    for _ in range(5):
        answer = client.get(url)
        seen += [scan.code for scan in answer.context["page"].rows]
        if not answer.context["page"].next:
            break
        url = f"{reverse('scan_list', args=[project.pk])}?cursor={answer.context['page'].next}"
    assert len(seen) == 7
    assert set(seen) == made


def test_the_filters_of_the_scan_list_narrow_it_and_its_csv(browser, author, project, make_scan):
    labelled, other = make_scan(seed=1, label="OPACITY"), make_scan(seed=2)
    client = browser(author)
    answer = client.get(reverse("scan_list", args=[project.pk]), {"label_status": "labeled"})
    assert [scan.code for scan in answer.context["page"].rows] == [labelled.code]
    csv = b"".join(client.get(answer.context["csv_url"])).decode()
    assert labelled.code in csv
    assert other.code not in csv


def test_a_wrong_cursor_is_a_plain_refusal(browser, author, project):
    answer = browser(author).get(reverse("scan_list", args=[project.pk]), {"cursor": "nonsense"})
    assert answer.status_code == 400
    assert "Start again from the first page" in answer.content.decode()


class Text(HTMLParser):
    """What a page shows, piece by piece."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self.hidden = 0

    def handle_starttag(self, tag, attrs) -> None:
        self.hidden += tag in ("script", "style")

    def handle_endtag(self, tag) -> None:
        self.hidden -= tag in ("script", "style")

    def handle_data(self, data) -> None:
        piece = " ".join(data.split())
        if piece and not self.hidden:
            self.pieces.append(piece)


def test_every_page_speaks_german_to_whoever_reads_german(request, rows, browser):
    """No piece of a page is a sentence that has German in the catalogue."""
    catalogue = polib.pofile(str(settings.BASE_DIR / "locale" / "de" / "LC_MESSAGES" / "django.po"))
    english = {entry.msgid for entry in catalogue if entry.msgid != entry.msgstr and " " in entry.msgid}
    # What a project is for is data, in the words of whoever made it; by default it is this sentence.
    english.discard(RESEARCH_USE)
    left = {}
    for name, argument, persona, _ in PAGES:
        answer = browser(request.getfixturevalue(persona)).get(address(rows, name, argument), HTTP_ACCEPT_LANGUAGE="de")
        shown = Text()
        shown.feed(answer.content.decode())
        assert answer.status_code == 200 and '<html lang="de" dir="ltr"' in answer.content.decode(), name
        if found := english.intersection(shown.pieces):
            left[name] = found
    assert left == {}
