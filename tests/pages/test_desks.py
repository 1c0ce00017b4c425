"""The two desks: one scan after the other is labelled, and a colleague decides."""

import pytest
from django.urls import reverse

from images.models import Image
from labeling.models import Label, Lease, QueueScore, Review
from mediscan_site.core.models import AuditEvent
from tests.pages.conftest import texts

HTMX = {"HX-Request": "true"}


def label_post(scan, **said):
    return {"image": scan.pk, "version": scan.version, **said}


def test_a_label_is_saved_and_the_next_scan_comes(browser, author, project, make_scan):
    first, second = make_scan(seed=1), make_scan(seed=2)
    url, wanted = reverse("label_next", args=[project.pk]), project.class_rows.get(name="OPACITY")
    client = browser(author)
    assert client.get(url).context["scan"] == first
    answer = client.post(url, label_post(first, label_class=wanted.pk), headers=HTMX)
    assert f"Saved: {first.code} is OPACITY." in texts(answer)
    assert answer.context["scan"] == second
    first.refresh_from_db()
    assert (first.label_class, first.annotator) == (wanted, author)


def test_two_readers_never_get_one_scan_and_a_reload_shows_the_same(browser, author, colleague, project, make_scan):
    for seed in range(5):
        make_scan(seed=seed)
    url = reverse("label_next", args=[project.pk])
    mine, theirs = browser(author), browser(colleague)
    first = mine.get(url).context["scan"]
    assert theirs.get(url).context["scan"] != first
    assert mine.get(url).context["scan"] == first
    assert Lease.objects.count() == 5


def test_ungradable_needs_its_reason(browser, author, project, make_scan):
    scan = make_scan(seed=1)
    client, url = browser(author), reverse("label_next", args=[project.pk])
    assert "either a class or the reason" in texts(client.post(url, label_post(scan), headers=HTMX))
    client.post(url, label_post(scan, ungradable="poor image quality"))
    assert Label.objects.get().ungradable_reason == "poor image quality"


def test_a_skipped_scan_comes_back_when_asked_for(browser, author, project, make_scan):
    scan = make_scan(seed=1)
    client, url = browser(author), reverse("label_next", args=[project.pk])
    answer = client.post(url, {"image": scan.pk, "skip": "1"}, headers=HTMX)
    assert answer.context["scan"] is None
    assert "You skipped 1" in texts(answer)
    client.post(url, {"unskip": "1"})
    assert client.get(url).context["scan"] == scan


def test_going_back_shows_the_last_label_and_a_new_one_replaces_it(browser, author, project, make_scan):
    scan = make_scan(seed=1, label="NORMAL")
    client, url = browser(author), reverse("label_next", args=[project.pk])
    earlier = client.get(url).context["earlier"]
    page = client.get(url, {"back": earlier.pk})
    assert (page.context["scan"], page.context["going_back"]) == (scan, True)
    client.post(url, label_post(scan, label_class=project.class_rows.get(name="OPACITY").pk))
    scan.refresh_from_db()
    assert scan.label_class.name == "OPACITY"
    assert Label.objects.count() == 2


def test_a_label_on_an_old_version_is_refused_and_said(browser, author, project, make_scan):
    scan = make_scan(seed=1)
    Image.objects.update(version=7)
    said = label_post(scan, label_class=project.class_rows.first().pk)
    answer = browser(author).post(reverse("label_next", args=[project.pk]), said, headers=HTMX)
    assert answer.status_code == 200
    assert "notice error" in texts(answer)
    assert not Label.objects.exists()


@pytest.mark.parametrize("decision", ["approved", "rejected", "modified"])
def test_a_colleague_decides(browser, colleague, project, make_scan, decision):
    scan = make_scan(seed=1, label="NORMAL")
    said = {"image": scan.pk, "version": scan.version, "status": decision, "comment": "looked twice"}
    said["label_class"] = project.class_rows.get(name="OPACITY").pk
    answer = browser(colleague).post(reverse("review", args=[project.pk]), said, headers=HTMX)
    assert f"Saved: {scan.code} {decision}" in texts(answer)
    scan.refresh_from_db()
    assert scan.approval_status == decision
    assert scan.label_class.name == ("OPACITY" if decision == "modified" else "NORMAL")


def test_ones_own_label_cannot_be_approved_on_the_scan_page(browser, author, make_scan):
    scan = make_scan(seed=1, label="NORMAL")
    said = {"version": scan.version, "status": "approved"}
    answer = browser(author).post(reverse("scan_review", args=[scan.pk]), said, follow=True)
    assert answer.status_code == 200
    assert "somebody else has to approve it" in texts(answer)
    assert not Review.objects.exists()


def test_many_are_approved_at_once_and_refusals_are_named(browser, colleague, project, make_scan):
    theirs, own = make_scan(seed=1, label="NORMAL"), make_scan(seed=2, label="NORMAL", actor=colleague)
    said = {"images": [theirs.pk, own.pk], "status": "approved"}
    answer = browser(colleague).post(reverse("review_many", args=[project.pk]), said, follow=True)
    assert "1 scan approved." in texts(answer)
    assert f"{own.code}: You made the current label" in texts(answer)


@pytest.mark.parametrize("decision", ["approved", "rejected"])
def test_many_reviews_are_taken_back_and_what_changed_since_is_named(
    browser, author, colleague, project, make_scan, decision
):
    from labeling.reading.labels import label_scan

    scans, url = [make_scan(seed=seed, label="NORMAL") for seed in range(3)], reverse("review_many", args=[project.pk])
    client = browser(colleague)
    assert "Undo the last" not in texts(client.get(url))
    done = client.post(url, {"images": [scan.pk for scan in scans], "status": decision, "comment": "seen"}, follow=True)
    assert f"3 scans {decision}." in texts(done) and "Undo the last 3 reviews" in texts(done)
    label_scan(actor=author, image=scans[2], label_class=project.class_rows.get(name="OPACITY"))
    undone = client.post(url, {"undo": "1"}, follow=True)
    assert "Taken back: 2 reviews." in texts(undone) and f"{scans[2].code}: The scan was changed" in texts(undone)
    assert "Undo the last" not in texts(undone)
    assert {scan.approval_status for scan in Image.objects.filter(pk__in=[scan.pk for scan in scans[:2]])} == {
        "pending"
    }
    assert Review.objects.filter(decision__undone__isnull=False).count() == 2
    assert AuditEvent.objects.filter(action="review.undo", actor=colleague).count() == 2
    assert "There is nothing to undo." in texts(client.post(url, {"undo": "1"}, follow=True))


def test_who_may_not_review_any_longer_takes_no_reviews_back(browser, admin, colleague, project, make_scan):
    from images.services import revoke

    scan, url, client = make_scan(seed=1, label="NORMAL"), reverse("review_many", args=[project.pk]), browser(colleague)
    client.post(url, {"images": [scan.pk], "status": "approved"})
    revoke(actor=admin, project=project, user=colleague, codename="review_label")
    assert client.post(url, {"undo": "1"}).status_code == 403
    assert Image.objects.get().approval_status == "approved"


def test_a_review_of_many_without_a_tick_says_so(browser, colleague, project):
    answer = browser(colleague).post(reverse("review_many", args=[project.pk]), {"status": "approved"}, follow=True)
    assert "Tick at least one scan." in texts(answer)


def test_without_the_script_each_desk_says_once_what_was_saved(browser, author, colleague, project, make_scan):
    scan, wanted = make_scan(seed=1), project.class_rows.get(name="OPACITY")
    labelled = browser(author).post(
        reverse("label_next", args=[project.pk]), label_post(scan, label_class=wanted.pk), follow=True
    )
    assert texts(labelled).count(f"Saved: {scan.code} is OPACITY.") == 1
    scan.refresh_from_db()
    said = {"image": scan.pk, "version": scan.version, "status": "approved"}
    reviewed = browser(colleague).post(reverse("review", args=[project.pk]), said, follow=True)
    assert texts(reviewed).count(f"Saved: {scan.code} approved.") == 1


def test_the_order_that_was_asked_for_survives_a_save_and_a_visit_elsewhere(browser, author, project, make_scan):
    oldest, surer, unsure = (make_scan(seed=seed) for seed in range(3))
    QueueScore.objects.create(image=surer, score=0.2)
    QueueScore.objects.create(image=unsure, score=0.9)
    client, url = browser(author), reverse("label_next", args=[project.pk])
    assert client.get(url).context["scan"] == oldest
    # What was put on the desk in the other order goes back into the queue.
    assert client.get(f"{url}?order=uncertain").context["scan"] == unsure
    wanted = project.class_rows.get(name="OPACITY").pk
    answer = client.post(url, label_post(unsure, label_class=wanted, order="uncertain"), headers=HTMX)
    assert (answer.context["scan"], answer.context["order"]) == (surer, "uncertain")
    assert client.get(url).context["scan"] == surer
    assert client.get(f"{url}?order=oldest").context["scan"] == oldest
    assert client.get(f"{url}?order=nonsense").context["order"] == "oldest"


def test_undo_on_the_desk_leads_back_to_the_scan(browser, author, project, make_scan):
    first, second, third = (make_scan(seed=seed) for seed in range(3))
    client, url = browser(author), reverse("label_next", args=[project.pk])
    wanted = project.class_rows.get(name="OPACITY").pk
    client.get(url)
    seen = client.post(url, label_post(first, label_class=wanted), headers=HTMX)
    assert (seen.context["scan"], seen.context["upcoming"]) == (second, (third,))
    press = {"undo": seen.context["undoable"].key}
    back = client.post(url, press, headers=HTMX)
    assert f"Taken back: {first.code}" in texts(back) and back.context["scan"] == first
    # The same request again, because its answer was lost, takes nothing more back.
    assert client.post(url, press, follow=True).context["scan"] == first
    first.refresh_from_db()
    assert (first.label_status, Label.objects.count()) == ("unlabeled", 1)
    assert "You have decided nothing" in texts(client.post(url, {"undo": "0"}, headers=HTMX))


def test_undo_of_a_review_leads_back_to_the_label(browser, colleague, project, make_scan):
    scan = make_scan(seed=1, label="NORMAL")
    client, url = browser(colleague), reverse("review", args=[project.pk])
    said = client.post(url, {"image": scan.pk, "version": scan.version, "status": "approved"}, headers=HTMX)
    back = client.post(url, {"undo": said.context["undoable"].key}, follow=True)
    assert back.context["scan"] == scan
    scan.refresh_from_db()
    assert scan.approval_status == "pending"


def test_an_answer_that_comes_twice_is_saved_once(browser, author, colleague, project, make_scan):
    scan, wanted = make_scan(seed=1), project.class_rows.get(name="OPACITY")
    client, url = browser(author), reverse("label_next", args=[project.pk])
    for _ in range(2):
        answer = client.post(url, label_post(scan, label_class=wanted.pk, known=0), headers=HTMX)
        assert f"Saved: {scan.code} is OPACITY." in texts(answer)
    assert Label.objects.count() == 1
    scan.refresh_from_db()
    reviewer, url = browser(colleague), reverse("review", args=[project.pk])
    said = {"image": scan.pk, "version": scan.version, "modified": project.class_rows.get(name="NORMAL").pk}
    for _ in range(2):
        assert f"Saved: {scan.code} modified to NORMAL." in texts(reviewer.post(url, said, headers=HTMX))
    assert Review.objects.count() == 1


def test_a_rejection_needs_its_reason(browser, colleague, project, make_scan):
    scan = make_scan(seed=1, label="NORMAL")
    client, url = browser(colleague), reverse("review", args=[project.pk])
    said = {"image": scan.pk, "version": scan.version}
    assert "why you reject" in texts(client.post(url, {**said, "status": "rejected", "comment": " "}, headers=HTMX))
    assert "nothing was decided" in texts(client.post(url, said, headers=HTMX))
    assert not Review.objects.exists()
    client.post(url, {**said, "rejection": "please look again", "comment": "at the apex"})
    assert Review.objects.get().comment == "please look again\nat the apex"


def test_blind_desks_show_no_name_and_no_opinion(browser, author, colleague, project, make_scan):
    from labeling.reading.labels import label_scan
    from labeling.reading.reviews import review_scan

    scan, normal = make_scan(seed=1), project.class_rows.get(name="NORMAL")
    label_scan(actor=colleague, image=scan, label_class=normal, comment="looks fine to me")
    secrets = ("scan1.jpg", "colleague", "looks fine to me", "is wrong")
    label, review = (reverse(name, args=[project.pk]) for name in ("label_next", "review"))
    shown = texts(browser(author).get(review))
    assert [word for word in secrets if word in shown] == [] and "NORMAL" in shown
    scan.refresh_from_db()
    review_scan(actor=author, image=scan, status="rejected", comment="is wrong")
    shown = texts(browser(author).get(label))
    assert "came back for another look" in shown
    assert [word for word in (*secrets, "Labelled <strong>") if word in shown] == []
    project.read_blind = False
    project.save()
    assert "scan1.jpg" in texts(browser(author).get(label)) and "Labelled <strong>NORMAL" in texts(
        browser(author).get(label)
    )


def test_who_corrected_a_scan_goes_back_to_the_one_before(browser, author, project, make_scan):
    first, second = make_scan(seed=1, label="NORMAL"), make_scan(seed=2, label="NORMAL")
    client, url = browser(author), reverse("label_next", args=[project.pk])
    newest = client.get(url).context["earlier"]
    page = client.get(url, {"back": newest.pk})
    assert page.context["scan"] == second
    said = label_post(second, label_class=project.class_rows.get(name="OPACITY").pk, corrects=newest.pk)
    answer = client.post(url, said, headers=HTMX)
    assert answer.context["earlier"].image == first


def test_what_is_refused_is_told_in_full_and_nothing_else_counts_as_saved(
    browser, author, colleague, project, make_scan
):
    from labeling.reading.labels import label_scan

    scan, (normal, opacity) = make_scan(seed=1), project.class_rows.all()
    client, url = browser(author), reverse("label_next", args=[project.pk])
    seen = label_post(scan, label_class=opacity.pk, known=0, comment="left base")
    label_scan(actor=colleague, image=scan, label_class=normal)
    answer = texts(client.post(url, seen, headers=HTMX))
    assert f"Not saved: {scan.code} is OPACITY." in answer and "Your comment was: left base" in answer
    # A review of the version that was seen, said once more, is the same one only if it says the same and still stands.
    scan.refresh_from_db()
    url, seen = reverse("review", args=[project.pk]), label_post(scan)
    client.post(url, seen | {"modified": opacity.pk})
    assert "Saved" in texts(client.post(url, seen | {"modified": opacity.pk}, headers=HTMX))
    for other in ({"modified": normal.pk}, {"modified": opacity.pk, "comment": "more"}, {"status": "approved"}):
        assert "Not saved" in texts(client.post(url, seen | other, headers=HTMX)), other
    client.post(url, {"undo": Review.objects.get().pk})
    assert "Not saved" in texts(client.post(url, seen | {"modified": opacity.pk}, headers=HTMX))
    assert Review.objects.count() == 1


def test_a_scans_own_page_hides_what_others_said_while_it_is_on_the_desk(
    browser, author, colleague, project, make_scan
):
    from labeling.reading.labels import label_scan
    from labeling.reading.reviews import review_scan

    scan, normal = make_scan(seed=1), project.class_rows.get(name="NORMAL")
    label_scan(actor=colleague, image=scan, label_class=normal, comment="looks fine to me")
    review_scan(actor=author, image=scan, status="rejected", comment="is wrong")
    client, pages = (
        browser(author),
        [reverse(name, args=[scan.pk]) for name in ("scan", "scan_timeline", "scan_beside")],
    )
    assert "scan1.jpg" in texts(client.get(pages[0]))
    client.get(reverse("label_next", args=[project.pk]))
    for page in pages:
        shown = texts(client.get(page))
        assert [word for word in ("scan1.jpg", "looks fine to me", "is wrong") if word in shown] == [], page
    assert "looks fine to me" in texts(browser(colleague).get(pages[0]))


def test_keys_are_off_on_every_reading_page_for_who_has_no_letter_keys(browser, author, project, make_scan):
    from mediscan_site.core.services import set_preferences

    scan, client = make_scan(seed=1), browser(author)
    pages = [reverse(name, args=[project.pk]) for name in ("label_next", "referrals")] + [
        reverse("scan", args=[scan.pk])
    ]
    project.read_blind = False
    project.save()
    # The viewer's list of keys, which says itself when they are off, has one.
    assert "js/keys" in texts(client.get(pages[0])) and texts(client.get(pages[2])).count("<kbd>1</kbd>") == 2
    set_preferences(actor=author, values={"letter_keys": False})
    for page in pages:
        shown = texts(client.get(page))
        assert "js/keys" not in shown and shown.count("<kbd>1</kbd>") < 2, page
