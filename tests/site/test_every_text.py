"""Every column that can hold text, and what becomes of it when a patient is erased: a new one has to be thought about."""

from django.apps import apps
from django.db import models

OURS = ("core", "images", "labeling", "models_registry", "training")
# What an erasure empties, overwrites or deletes with its row; tests/site/test_deletion.py looks for what is left.
FORGOTTEN = {
    "core.IdempotencyRecord": {"route", "key", "body_digest", "headers", "body"},
    "images.Image": {"file_name", "image_format", "notes", "modality", "patient", "external_id", "received_sha256"}
    | {"sha256", "phash", "study", "series", "instance"}
    # Keys of readers, as in the rows of its labels, which stay.
    | {"said_by"},
    "images.Metadata": {"institution", "sex", "body_part", "view", "laterality", "device"} | {"pixel_spacing_at"},
    "images.GuideExample": {"caption"},
    # With its last scan of a second patient.
    "images.MixedStudy": {"study"},
    "images.Deidentification": {"profile", "actions"},
    "images.PatientIdentity": {"pseudonym", "number", "key_id", "sealed"},
    "images.Tag": {"name", "name_key"},
    "labeling.Label": {"ungradable_reason", "comment"},
    "labeling.Review": {"comment"},
    "labeling.Decision": {"doubt_before"},
    "labeling.LabelDoubt": {"source"},
    "labeling.SnapshotMember": {"group", "sha256", "frames"},
    "labeling.Export": {"error", "filters"},
    "labeling.Import": {"error", "file_name", "dialect", "finding", "numbers"},
    "labeling.ImportFile": {"path", "path_digest", "code", "detail", "patient"},
    "labeling.ResumableUpload": {"file_name", "sha256", "dialect", "finding"},
    "models_registry.Feedback": {"comment"},
    "models_registry.GradeBatchItem": {"code", "detail"},
    "models_registry.ReferralRead": {"ungradable_reason", "comment"},
    "models_registry.BlindRead": {"ungradable_reason"},
    "models_registry.ScanAnswer": {"shares"},
    "models_registry.AnswerSummary": {"name", "value"},
    "core.Blob": {"path", "content_type", "sha256", "stored_sha256", "key_id", "wrapped_key"},
}
# What is not about patients, or says nothing but codes, figures, digests under a key, and pseudonyms that docs/privacy.md names.
HARMLESS = {
    "core.User": {"password", "username", "username_key", "first_name", "last_name", "email", "preferences"},
    "core.ServiceToken": {"name", "digest", "password_mark", "scopes"},
    "core.TokenWork": {"table"},
    "core.AuditEvent": {"actor_name", "action", "object_type", "object_id", "ip", "request_id", "details", "mac"},
    "core.AuditSeal": {"prev_hash", "hash"},
    "core.Notice": {"key", "sentence"},
    "core.Tally": {"what", "who"},
    "core.Worker": {"name", "queues"},
    "core.ResetRequest": {"error", "email", "base_url"},
    "core.Invitation": {"error", "base_url"},
    "core.Message": {"kind", "key", "facts", "url"},
    "core.Bookmark": {"name"},
    "core.TaskLease": {"name", "holder"},
    "core.KeyCheck": {"name", "value"},
    "core.StoreOwner": {"site"},
    "core.Drill": {"error", "backup"},
    "core.Backup": {"error", "name", "manifest_sha256"},
    "images.Project": {
        "name",
        "guide",
        "modality",
        "intended_use",
        "intended_body_part",
        "intended_view",
        "intended_laterality",
        "limitations",
        "expected_prevalence",
    },
    "images.FrameChoice": {"frames"},
    "images.ScanTotal": {"label_status", "approval_status", "split", "hold"},
    "images.ScanChange": {"label_status", "approval_status", "split", "hold"},
    "images.ProjectClass": {"name"},
    # Names, as of projects; of the query what is typed is not kept.
    "images.SavedFilter": {"name", "slot", "query"},
    "images.PatientMerge": {"source", "target"},
    "labeling.GroupSide": {"group"},
    "labeling.SaidBy": {"key"},
    "labeling.Snapshot": {"content_hash", "classes", "class_counts", "test_hash", "grouped_by"},
    "labeling.SnapshotLeftOut": {"reason", "detail"},
    "labeling.WatchedFile": {"digest", "code"},
    "models_registry.ModelVersion": {"name", "architecture", "bundle_sha256", "bundle_signature", "source", "classes"}
    | {"calibration", "card", "mlflow_run_id", "mlflow_version", "reference"},
    "models_registry.ModelGraph": {"sha256", "signature", "note"},
    "models_registry.Evaluation": {"error", "metrics"},
    "models_registry.Deployment": {"gate", "override_reason"},
    "models_registry.GradeBatch": {"error", "filters", "numbers"},
    "models_registry.Grade": {"error", "probabilities", "reasons", "site", "frames", "frames_unread"},
    "models_registry.LearnedPlaces": {"institutions", "devices"},
    "models_registry.AcceptanceTest": {"site", "device"},
    "models_registry.AcceptanceDecision": {"reason", "figures"},
    "models_registry.WatchStream": {"site", "score", "bets"},
    "models_registry.Watch": {"error", "result"},
    "models_registry.Alarm": {"site", "score"},
    "models_registry.AlarmDecision": {"reason"},
    "training.TrainingRun": {"error", "config", "message", "mlflow_run_id", "environment"},
    "training.EpochMetrics": {"phase", "metrics"},
}
TEXT = (models.CharField, models.TextField, models.JSONField, models.BinaryField, models.FileField)


def test_every_text_column_is_known_to_be_forgotten_or_harmless():
    found = {}
    for model in (model for app in OURS for model in apps.get_app_config(app).get_models()):
        fields = (field for field in model._meta.local_concrete_fields if isinstance(field, TEXT) and not field.choices)
        if names := {field.name for field in fields}:
            found[model._meta.label] = names
    assert found == FORGOTTEN | HARMLESS
