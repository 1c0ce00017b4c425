"""Every row of the decision table, driven through the real services."""

from collections.abc import Callable

import pytest

from images.models import ApprovalStatus, Image, LabelStatus, Project
from labeling.models import Label, Reference, Review
from labeling.reading.labels import label_scan, mark_ungradable, withdraw_label
from labeling.reading.reviews import review_scan
from labeling.reading.several import adjudicate
from labeling.reading.states import Action, Rule, State, next_state, rules
from mediscan_site.core.errors import Conflict, DomainError, FourEyes

STATES = [
    State(LabelStatus.UNLABELED, ApprovalStatus.PENDING),
    *(State(LabelStatus.LABELED, approval) for approval in ApprovalStatus),
]


def name(rule: Rule) -> str:
    own = {"yes": "own-", "no": "other-", "any": ""}[rule.own]
    return f"{own}{rule.action}-from-{rule.start.label}-{rule.start.approval}"


def put_into(scan: Image, start: State, *, author, colleague) -> Image:
    """Bring a fresh scan into a state through the services. The current label is the author's."""
    classes = list(scan.project.class_rows.all())
    if start.label == LabelStatus.UNLABELED:
        return scan
    label_scan(actor=author, image=scan, label_class=classes[0])
    if start.approval == ApprovalStatus.MODIFIED:
        review_scan(actor=author, image=scan, status="modified", label_class=classes[0])
    elif start.approval != ApprovalStatus.PENDING:
        review_scan(actor=colleague, image=scan, status=start.approval)
    return Image.objects.get(pk=scan.pk)


def act(rule: Rule, scan: Image, actor) -> None:
    classes = list(scan.project.class_rows.all())
    calls: dict[Action, Callable[[], object]] = {
        Action.LABEL_NEW: lambda: label_scan(actor=actor, image=scan, label_class=classes[1]),
        Action.LABEL_SAME: lambda: label_scan(actor=actor, image=scan, label_class=classes[0]),
        Action.UNGRADABLE_NEW: lambda: mark_ungradable(actor=actor, image=scan, reason="blurred"),
        Action.APPROVE: lambda: review_scan(actor=actor, image=scan, status="approved"),
        Action.REJECT: lambda: review_scan(actor=actor, image=scan, status="rejected"),
        Action.MODIFY: lambda: review_scan(actor=actor, image=scan, status="modified", label_class=classes[1]),
        Action.WITHDRAW: lambda: withdraw_label(actor=actor, image=scan),
        Action.ADJUDICATE: lambda: adjudicate(actor=actor, image=scan, label_class=classes[1], reason="seen together"),
    }
    calls[rule.action]()


def state_of(scan: Image) -> State:
    fresh = Image.objects.get(pk=scan.pk)
    return State(LabelStatus(fresh.label_status), ApprovalStatus(fresh.approval_status))


def read_by_two(scan: Image, *readers, alike: bool) -> None:
    """Two read the scan without seeing each other, in a project that wants two."""
    Project.objects.filter(pk=scan.project_id).update(reads_wanted=2)
    first, second = scan.project.class_rows.all()
    for reader, said in zip(readers, (second, second if alike else first), strict=True):
        label_scan(actor=reader, image=scan, label_class=said)


DRIVEN = [rule for rule in rules() if rule.action not in (Action.UNGRADABLE_SAME, Action.AGREE)]


@pytest.mark.parametrize("rule", DRIVEN, ids=name)
def test_the_services_follow_the_table(rule, make_scan, author, colleague, admin):
    scan = put_into(make_scan(seed=1), rule.start, author=author, colleague=colleague)
    if rule.action == Action.ADJUDICATE and rule.own != "any":
        read_by_two(scan, author, admin, alike=False)
    actor = colleague if rule.own == "no" else author
    if rule.to is None:
        with pytest.raises(DomainError) as refused:
            act(rule, scan, actor)
        assert refused.value.code == rule.refusal
        assert state_of(scan) == rule.start
    else:
        act(rule, scan, actor)
        assert state_of(scan) == rule.to


@pytest.mark.parametrize("rule", [rule for rule in rules() if rule.action == Action.AGREE], ids=name)
def test_agreement_follows_the_table(rule, make_scan, author, colleague, admin):
    scan = put_into(make_scan(seed=1), rule.start, author=author, colleague=colleague)
    if rule.to is None:
        with pytest.raises(Conflict) as refused:
            next_state(rule.action, rule.start)
        assert refused.value.code == rule.refusal
    else:
        read_by_two(scan, colleague, admin, alike=True)
        assert state_of(scan) == rule.to


@pytest.mark.parametrize("approval", list(ApprovalStatus))
def test_the_same_reason_again_changes_nothing(approval, make_scan, author, colleague):
    scan = make_scan(seed=1)
    mark_ungradable(actor=author, image=scan, reason="blurred")
    if approval == ApprovalStatus.MODIFIED:
        review_scan(actor=colleague, image=scan, status="approved")
        mark_ungradable(actor=author, image=scan, reason="cropped")
        mark_ungradable(actor=author, image=scan, reason="blurred")
    elif approval != ApprovalStatus.PENDING:
        review_scan(actor=colleague, image=scan, status=approval)
    before = Image.objects.get(pk=scan.pk)
    outcome = mark_ungradable(actor=author, image=scan, reason="blurred")
    assert not outcome.changed
    assert Image.objects.get(pk=scan.pk).version == before.version
    assert state_of(scan) == next_state(Action.UNGRADABLE_SAME, State(LabelStatus.LABELED, approval))


def test_every_action_has_a_row_for_every_state_it_can_meet():
    for action in Action:
        for state in STATES:
            repeats_nothing = action.endswith("_same") and state.label == LabelStatus.UNLABELED
            for own in (False, True):
                found = [r for r in rules() if r.action == action and r.start == state and r.covers(own=own)]
                assert len(found) == (0 if repeats_nothing else 1), (action, state, own)


def test_every_state_of_the_table_is_allowed_by_the_database():
    assert {rule.to for rule in rules() if rule.to} <= set(STATES)


@pytest.mark.django_db
def test_four_eyes_binds_an_admin_who_labelled(make_scan, admin):
    scan = make_scan(seed=1, label="NORMAL", actor=admin)
    with pytest.raises(FourEyes):
        review_scan(actor=admin, image=scan, status="approved")


def test_without_four_eyes_the_author_may_approve(make_scan, author, project):
    project.four_eyes = False
    project.save()
    scan = make_scan(seed=1, label="NORMAL")
    review_scan(actor=author, image=scan, status="approved")
    assert state_of(scan).approval == ApprovalStatus.APPROVED


def test_after_a_modification_the_first_author_may_approve_and_the_reviewer_may_not(
    make_scan, author, colleague, project
):
    scan = make_scan(seed=1, label="NORMAL")
    opacity = project.class_rows.get(name="OPACITY")
    review = review_scan(actor=colleague, image=scan, status="modified", label_class=opacity)
    assert review.label.label_class.name == "NORMAL"
    assert review.new_label.reader == colleague
    with pytest.raises(FourEyes):
        review_scan(actor=colleague, image=scan, status="approved")
    review_scan(actor=author, image=scan, status="approved")
    fresh = Image.objects.get(pk=scan.pk)
    assert (fresh.label_class, fresh.annotator, fresh.approval_status) == (opacity, colleague, "approved")


def test_a_label_nobody_made_may_be_approved_by_anybody(make_scan, author, project):
    scan = make_scan(seed=1)
    normal = project.class_rows.get(name="NORMAL")
    label_scan(actor=author, image=scan, label_class=normal, source=Label.Source.GRADE, confidence=0.9, reader=None)
    review_scan(actor=author, image=scan, status="approved")
    assert state_of(scan).approval == ApprovalStatus.APPROVED
    assert Label.objects.get(image=scan).reader is None


def test_a_rejected_scan_keeps_its_label(make_scan, colleague):
    scan = make_scan(seed=1, label="NORMAL")
    review_scan(actor=colleague, image=scan, status="rejected", comment="look again")
    fresh = Image.objects.get(pk=scan.pk)
    assert fresh.label_class.name == "NORMAL"
    assert Review.objects.get(image=scan).comment == "look again"


def test_withdrawing_leaves_the_row_in_the_history(make_scan, author):
    scan = make_scan(seed=1, label="NORMAL")
    withdraw_label(actor=author, image=scan)
    fresh = Image.objects.get(pk=scan.pk)
    assert (fresh.label_class, fresh.annotator) == (None, None)
    assert Label.objects.filter(image=scan).count() == 1
    assert not Reference.objects.filter(image=scan).exists()
    with pytest.raises(Conflict):
        review_scan(actor=author, image=scan, status="approved")
