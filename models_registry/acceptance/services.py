"""Beginning an acceptance test, and deciding it."""

from django.db import IntegrityError, transaction

from images.policies import require
from mediscan_site.core import audit, text
from mediscan_site.core.errors import Conflict, Invalid
from mediscan_site.core.models import User
from models_registry.acceptance import drawing, selectors
from models_registry.models import AcceptanceDecision, AcceptanceTest, Grade, ModelVersion
from models_registry.versions import places

FEWEST, MOST, USUAL = 10, 500, 100
NAME_LENGTH = 200


def begin_test(
    *, actor: User, model: ModelVersion, institution: str = "", device: str = "", wanted: int = USUAL
) -> AcceptanceTest:
    """Test this version on `wanted` scans of one place (an institution; the device too if one is named; no institution: scans that
    name none). Scans that doctors have read are drawn at once, others as they are read. Conflict `acceptance_open`."""
    require(actor, "deploy_model", model.project)
    where = places.Where(
        text.line(institution, attr="institution", max_length=NAME_LENGTH),
        text.line(device, attr="device", max_length=NAME_LENGTH),
    )
    if isinstance(wanted, bool) or not FEWEST <= wanted <= MOST:
        raise Invalid(f"wanted must be a whole number from {FEWEST} to {MOST}.", attr="wanted")
    place = places.place_of(model.project_id, where)
    test = AcceptanceTest(
        project=model.project, model=model, site=place.site, device=place.device, wanted=wanted, created_by=actor
    )
    try:
        with transaction.atomic():
            test.save(force_insert=True)
            details = {"model": model.pk, "site": place.site, "device": place.device, "wanted": wanted}
            audit.record("acceptance.begin", actor=actor, obj=test, project=model.project_id, details=details)
    except IntegrityError:
        raise Conflict(
            f"{model.code} is being tested at this place. Decide that test first.", code="acceptance_open"
        ) from None
    drawing.draw(test)
    return test


def go_on(*, actor: User, test: AcceptanceTest) -> AcceptanceTest:
    """Draw now what doctors have read since."""
    require(actor, "deploy_model", test.project)
    _require_open(test)
    drawing.draw(test)
    return test


def decide(*, actor: User, test: AcceptanceTest, decision: str, reason: str) -> AcceptanceDecision:
    """Record what follows from the test. To accept, all scans that were wanted must be read and graded: who looks before and
    stops when it looks well finds it better than it is. Its grades are shown from now on."""
    require(actor, "deploy_model", test.project)
    _require_open(test)
    chosen = text.choice(decision, attr="decision", choices=AcceptanceDecision.Decision.values)
    if chosen is None:
        raise Invalid("Say what is decided.", attr="decision", code="required")
    why = text.paragraphs(reason, attr="reason")
    if not why:
        raise Invalid("Say why.", attr="reason", code="required")
    if chosen == AcceptanceDecision.Decision.ACCEPT and not drawing.is_complete(test):
        raise Conflict(
            f"{drawing.graded(test).count()} of {test.wanted} scans are read and graded. Wait until all are, or decide "
            "otherwise.",
            code="acceptance_incomplete",
        )
    figures = selectors.measured(test)
    row = AcceptanceDecision(test=test, decision=chosen, reason=why, figures=figures, decided_by=actor)
    return _record(row)


def _require_open(test: AcceptanceTest) -> None:
    if not AcceptanceTest.objects.filter(pk=test.pk, active=True).exists():
        raise Conflict("This test is decided. Begin another one.", code="acceptance_decided")


def _record(row: AcceptanceDecision) -> AcceptanceDecision:
    test = row.test
    with transaction.atomic():
        if not AcceptanceTest.objects.filter(pk=test.pk, active=True).update(active=None):
            raise Conflict("Somebody else has just decided this test. Look at it.", code="acceptance_decided")
        row.save(force_insert=True)
        Grade.objects.filter(acceptance_case__test=test).update(blind=False)
        details = {"model": test.model_id, "site": test.site, "device": test.device, "decision": row.decision}
        audit.record("acceptance.decide", actor=row.decided_by, obj=test, project=test.project_id, details=details)
    return row
