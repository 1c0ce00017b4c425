"""Grades that were answered, by when: counted by the database (`images.counts`)."""

from images import counts
from images.models import ActivityNumbers
from mediscan_site.core.models import WorkStatus
from models_registry.models import Grade

ANSWER, REFERRAL = ActivityNumbers.Kind.ANSWER, ActivityNumbers.Kind.REFERRAL
_answered = f"{{row}}.decision = '{Grade.Decision.ANSWER.value}'"

counts.activity(
    {
        "sql": f"CASE WHEN {_answered} THEN '{ANSWER.value}' ELSE '{REFERRAL.value}' END",
        "of": [ANSWER.value, REFERRAL.value],
    },
    "created_at",
    f"{{row}}.status = '{WorkStatus.SUCCEEDED.value}' AND NOT {{row}}.blind",
    name="count_grades",
    source=Grade,
    project="{row}.project_id",
    watched=("project_id", "created_at", "status", "decision", "blind"),
)
