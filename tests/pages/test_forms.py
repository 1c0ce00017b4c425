"""The forms of the pages, sent as a browser without JavaScript sends them: done, refused next to the field, never a 500."""

import pytest
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from images.models import Image, Membership, Project
from labeling.models import Label
from mediscan_site.core import resets
from mediscan_site.core.models import ResetRequest
from models_registry.models import DeployedModel, Evaluation, Feedback, Grade
from tests.conftest import PASSWORD, scan_bytes
from tests.pages.conftest import texts


def test_logging_in_leads_to_the_dashboard_and_logging_out_back(browser, author):
    client = browser()
    answer = client.post(reverse("login"), {"username": "author", "password": PASSWORD}, follow=True)
    assert answer.redirect_chain[-1][0] == reverse("dashboard")
    assert "author" in texts(answer)
    assert client.post(reverse("logout")).headers["Location"] == reverse("login")
    assert client.get(reverse("dashboard")).status_code == 302


def test_a_wrong_password_is_refused_in_the_form(browser, author):
    answer = browser().post(reverse("login"), {"username": "author", "password": "wrong"})
    assert "correct username and password" in texts(answer)


def test_login_does_not_send_to_another_site(browser, author):
    data = {"username": "author", "password": PASSWORD, "next": "https://evil.example/"}
    assert browser().post(reverse("login"), data).headers["Location"] == reverse("dashboard")


def test_a_password_is_reset_by_the_mailed_link(browser, author):
    client = browser()
    answer = client.post(reverse("password_reset"), {"email": author.email}, follow=True)
    assert "Look into your mail" in texts(answer)
    resets.run(ResetRequest.objects.get().pk)
    link = next(word for word in mail.outbox[0].body.split() if "/password-reset/" in word)
    path = "/" + link.split("/", 3)[3]
    form = client.get(path, follow=True)
    url = form.redirect_chain[-1][0]
    done = client.post(
        url, {"new_password1": "another private sentence", "new_password2": "another private sentence"}, follow=True
    )
    assert "Your password is set" in texts(done)
    author.refresh_from_db()
    assert author.check_password("another private sentence")
    assert "no longer valid" in texts(client.get(path, follow=True))


def test_the_reset_page_does_not_tell_whether_an_address_is_known(browser, author):
    answer = browser().post(reverse("password_reset"), {"email": "nobody@hospital.example"}, follow=True)
    assert "Look into your mail" in texts(answer)
    assert mail.outbox == []


def test_an_admin_makes_a_project_with_its_classes(browser, admin):
    data = {
        "name": "Skin", "classes": "benign\r\nmalign\r\n", "four_eyes": "on", "coverage_target": "0.8",
        "intended_use": "Research use only.", "limitations": "None known.",
    }  # fmt: skip
    answer = browser(admin).post(reverse("project_create"), data)
    project = Project.objects.get(name="Skin")
    assert answer.headers["Location"] == reverse("project_members", args=[project.pk])
    assert [row.name for row in project.class_rows.all()] == ["benign", "malign"]
    assert (project.four_eyes, project.laterality_matters, project.coverage_target) == (True, False, 0.8)
    assert (project.orientation_matters, project.picture_shape) == (True, "squash"), "as nobody was asked"


def test_a_tick_that_the_form_did_not_show_stays_as_it_is(browser, admin, project):
    url = reverse("project_settings", args=[project.pk])
    client = browser(admin)
    shown = client.get(url).content.decode()
    assert 'type="hidden" name="flags" value="orientation_matters read_blind reveal_after_read"' in shown
    data = {"name": project.name, "coverage_target": "0.9", "intended_use": "x", "limitations": "x"}
    for more, kept in (
        ({}, True),
        ({"flags": "orientation_matters", "orientation_matters": "on"}, True),
        ({"flags": "orientation_matters"}, False),
        ({}, False),
    ):
        assert client.post(url, {**data, **more}).status_code == 302
        project.refresh_from_db()
        assert project.orientation_matters is kept


def test_a_project_with_one_class_is_refused_beside_the_field(browser, admin):
    data = {"name": "Skin", "classes": "benign", "coverage_target": "0.8", "intended_use": "x", "limitations": "x"}
    answer = browser(admin).post(reverse("project_create"), data)
    assert answer.status_code == 400
    assert "classes" in answer.context["form"].errors
    assert not Project.objects.filter(name="Skin").exists()


def test_the_settings_are_not_saved_over_a_newer_version(browser, admin, project):
    data = {
        "name": "New name", "coverage_target": "0.9", "intended_use": "x", "limitations": "x", "version": "99",
    }  # fmt: skip
    url = reverse("project_settings", args=[project.pk])
    answer = browser(admin).post(url, data)
    assert answer.status_code == 400
    assert "changed meanwhile" in texts(answer)
    answer = browser(admin).post(url, {**data, "version": str(project.version)})
    assert answer.status_code == 302
    project.refresh_from_db()
    assert project.name == "New name"


def test_a_class_is_added_renamed_and_retired(browser, admin, project):
    client = browser(admin)
    client.post(reverse("class_add", args=[project.pk]), {"name": "THIRD"})
    row = project.class_rows.get(name="THIRD")
    client.post(reverse("class_rename", args=[project.pk, row.pk]), {"name": "3rd"})
    client.post(reverse("class_retire", args=[project.pk, row.pk]))
    row.refresh_from_db()
    assert (row.name, row.retired_at is None) == ("3rd", False)


def test_members_and_their_rights_are_given_and_taken(browser, admin, project, outsider):
    client = browser(admin)
    client.post(reverse("project_members", args=[project.pk]), {"user": outsider.pk})
    assert Membership.objects.filter(project=project, user=outsider).exists()
    right = {"user": outsider.pk, "codename": "train_model"}
    client.post(reverse("member_right", args=[project.pk]), {**right, "give": "yes"})
    assert outsider.has_perm("images.train_model", project)
    client.post(reverse("member_remove", args=[project.pk]), {"user": outsider.pk})
    assert not Membership.objects.filter(project=project, user=outsider).exists()


def test_a_member_cannot_add_members(browser, author, project):
    answer = browser(author).post(reverse("project_members", args=[project.pk]), {"user": author.pk})
    assert answer.status_code in (400, 403)


def test_several_files_are_uploaded_and_each_gets_its_answer(browser, author, project):
    files = [
        SimpleUploadedFile("a.jpg", scan_bytes(1), "image/jpeg"),
        SimpleUploadedFile("again.jpg", scan_bytes(1), "image/jpeg"),
        SimpleUploadedFile("b.txt", b"no picture", "text/plain"),
    ]
    answer = browser(author).post(
        reverse("upload", args=[project.pk]), {"file": files, "label": "OPACITY", "patient": "p1"}
    )
    assert [row.outcome for row in answer.context["received"]] == ["created", "duplicate", "rejected"]
    scan = Image.objects.get()
    assert scan.label_class.name == "OPACITY"
    assert scan.patient not in (None, "p1")


def test_an_upload_without_a_file_says_so(browser, author, project):
    answer = browser(author).post(reverse("upload", args=[project.pk]), {})
    assert answer.status_code == 400
    assert "file" in answer.context["form"].errors


def test_what_is_known_of_a_scan_is_changed_once_and_errors_stand_beside_the_field(browser, author, make_scan):
    scan, client = make_scan(seed=1, patient="p1"), browser(author)
    url = reverse("scan_edit", args=[scan.pk])
    values = {name: value or "" for name, value in client.get(url).context["form"].initial.items()}
    bad = client.post(url, {**values, "age": "minus one"})
    assert bad.status_code == 400
    assert "age" in bad.context["form"].errors
    assert client.post(url, {**values, "age": "63", "use_for_training": "on"}).status_code == 302
    stale = client.post(url, {**values, "age": "64"})
    assert "changed meanwhile" in texts(stale)
    scan.refresh_from_db()
    assert scan.metadata.age == 63
    assert scan.patient == values["patient"]


def test_only_an_admin_erases_a_scan(browser, author, admin, make_scan):
    scan = make_scan(seed=1)
    url = reverse("scan_delete", args=[scan.pk])
    assert browser(author).post(url).status_code == 403
    assert browser(admin).post(url).status_code == 302
    assert browser(admin).get(reverse("scan", args=[scan.pk])).status_code == 404


def test_a_data_set_needs_enough_approved_scans_and_the_page_says_what_is_missing(browser, admin, project):
    answer = browser(admin).post(reverse("dataset_list", args=[project.pk]), {"seed": "0"})
    assert answer.status_code == 400
    assert "Not enough approved scans" in texts(answer)


def test_a_run_that_cannot_start_says_why_in_the_form(browser, admin, project):
    said = {"architecture": "resnet18", "pretrained": "true", "seed": "0"}
    answer = browser(admin).post(reverse("training", args=[project.pk]), said)
    assert answer.status_code == 400
    assert "pretrained" in answer.context["form"].errors
    assert "WEIGHTS_DIR" in texts(answer)


def test_a_doctor_without_the_right_cannot_start_a_run(browser, author, project):
    assert browser(author).post(reverse("training", args=[project.pk]), {"pretrained": "false"}).status_code == 403


def test_a_running_run_is_asked_to_stop(browser, admin, made_run):
    run = made_run()
    answer = browser(admin).post(reverse("run_cancel", args=[run.pk]), follow=True)
    run.refresh_from_db()
    assert run.cancel_requested
    assert "stopping" in texts(answer)


def test_a_model_is_deployed_and_rolled_back(browser, admin, project, make_version):
    client, old, new = browser(admin), make_version(seed=1), make_version(seed=2)
    for version in (old, new):
        answer = client.post(reverse("deploy", args=[version.pk]), {}, follow=True)
        assert f"{version.code} is deployed." in texts(answer)
    client.post(reverse("rollback", args=[project.pk]))
    assert DeployedModel.objects.get().deployment.model == old


def test_the_gates_refusal_is_shown_and_can_be_overridden_with_a_reason(browser, admin, make_version):
    from tests.models_registry.conftest import report

    model, client = make_version(metrics=report(0.4, 0.3, 0.49)), browser(admin)
    page = texts(client.get(reverse("model", args=[model.pk])))
    assert "The gate refuses it" in page
    assert "not above chance" in page
    assert "although the gate refuses it?" in page
    refused = client.post(reverse("deploy", args=[model.pk]), {"understood": "on"}, follow=True)
    assert "Your reason: say why it should answer although the gate refuses it." in texts(refused)
    assert "override_reason:" not in texts(refused)
    unread = client.post(reverse("deploy", args=[model.pk]), {"override_reason": "x"}, follow=True)
    assert "I have read why the gate refuses it.: tick it first." in texts(unread)
    assert not DeployedModel.objects.exists()
    sent = {"override_reason": "Comparing readers with a bad model.", "understood": "on"}
    client.post(reverse("deploy", args=[model.pk]), sent)
    assert DeployedModel.objects.get().deployment.override_reason == "Comparing readers with a bad model."


def test_an_evaluation_that_would_flatter_is_refused_in_words(browser, admin, make_version):
    model = make_version()
    answer = browser(admin).post(reverse("evaluate", args=[model.pk]), {}, follow=True)
    assert "has no test scans" in texts(answer)
    assert Evaluation.objects.count() == 1


def test_a_new_file_is_graded_through_the_page(browser, author, project, deployed):
    file = SimpleUploadedFile("new.jpg", scan_bytes(5), "image/jpeg")
    answer = browser(author).post(reverse("grade", args=[project.pk]), {"file": file})
    grade = Grade.objects.get()
    assert answer.headers["Location"] == reverse("grade_detail", args=[grade.pk])
    assert (grade.model, grade.image.file_name) == (deployed, "new.jpg")


@pytest.mark.parametrize(
    ("said", "field"), [({}, "__all__"), ({"image": "img999999"}, "image"), ({"image": "nonsense"}, "image")]
)
def test_a_grade_of_nothing_is_refused_beside_the_field(browser, author, project, deployed, said, field):
    answer = browser(author).post(reverse("grade", args=[project.pk]), said)
    assert answer.status_code == 400
    assert field in answer.context["form"].errors


def test_a_broken_file_is_refused_on_the_grade_page(browser, author, project, deployed):
    file = SimpleUploadedFile("new.jpg", b"not a picture", "image/jpeg")
    answer = browser(author).post(reverse("grade", args=[project.pk]), {"file": file})
    assert answer.status_code == 400
    assert "file" in answer.context["form"].errors


def test_feedback_that_a_grade_is_wrong_becomes_the_doctors_label(browser, author, project, answered):
    grade = answered(seed=3)
    right = project.class_rows.exclude(pk=grade.prediction_id).get()
    said = {"correct": "no", "correct_class": right.pk, "comment": "look left"}
    answer = browser(author).post(reverse("feedback", args=[grade.pk]), said, follow=True)
    assert "Thank you" in texts(answer)
    feedback = Feedback.objects.get()
    assert (feedback.correct, feedback.label.label_class, feedback.comment) == (False, right, "look left")


def test_feedback_without_an_answer_says_so(browser, author, answered):
    grade = answered(seed=3)
    answer = browser(author).post(reverse("feedback", args=[grade.pk]), {}, follow=True)
    assert "Correct: This field is required." in texts(answer)


def test_accepting_a_grade_on_the_scan_page_makes_an_approved_label(browser, colleague, answered):
    grade = answered(seed=3)
    said = {"version": grade.image.version, "status": "approved"}
    browser(colleague).post(reverse("scan_review", args=[grade.image_id]), said)
    label = Label.objects.get()
    assert (label.source, label.label_class) == ("grade", grade.prediction)


ACTIONS = ["scan_label", "scan_withdraw", "scan_review", "scan_delete"]


@pytest.mark.parametrize("name", ACTIONS)
def test_an_action_takes_no_get_and_no_outsider(browser, author, outsider, make_scan, name):
    url = reverse(name, args=[make_scan(seed=1).pk])
    assert browser(author).get(url).status_code == 405
    assert browser(outsider).post(url).status_code == 404
    assert browser().post(url).status_code == 302


@pytest.mark.parametrize(
    "mark", [b"PK\x05\x06" + bytes(18), b"PK\x07\x08PK\x03\x04" + bytes(40)], ids=["empty", "spanned"]
)
def test_every_zip_dropped_on_the_upload_page_is_answered_as_a_zip(browser, author, project, mark):
    url = reverse("upload", args=[project.pk])
    page = texts(browser(author).post(url, {"file": SimpleUploadedFile("scans.zip", mark)}))
    assert "This ZIP holds no files." in page or "not a readable ZIP archive" in page
    assert "Use the ZIP import" not in page
