"""A deployed version with a reference, and grades whose numbers the test chooses."""

from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone

from images.models import Image
from models_registry.models import Grade
from models_registry.versions.reference import Reference

SITE = "S0123456789abcdef"


def reference(n: int = 200, seed: int = 0) -> dict:
    draw = np.random.default_rng(seed)
    return Reference(
        prediction=(),
        confidence=tuple(draw.uniform(0.7, 1.0, n).tolist()),
        distance=tuple(draw.normal(0.7, 0.15, n).tolist()),
        spread=tuple(draw.uniform(0, 0.1, n).tolist()),
        referred=tuple([False] * n),
    ).to_json()


@pytest.fixture
def watched(deployed, project):
    deployed.reference = reference() | {"prediction": [deployed.classes[i % 2]["id"] for i in range(200)]}
    deployed.save()
    return deployed


@pytest.fixture
def graded(watched, author, project):
    """`graded([0.7, 1.4], site=…)`: answered grades with these distances, each of a scan and a patient of its own."""
    made = iter(range(1, 10_000))

    def make(distances, *, site: str = SITE, patients=None, model=None, **columns) -> list[Grade]:
        model, rows = model or watched, []
        begin = timezone.now() - timedelta(hours=1)
        for place, distance in enumerate(distances):
            number = next(made)
            image = Image.objects.create(
                project=project,
                file_name=f"scan{number}.jpg",
                uploaded_by=author,
                image_format="JPEG",
                width=9,
                height=9,
                size=9,
                received_sha256=f"{number:064d}",
                patient=patients[place] if patients else f"P{number}",
            )
            rows.append(
                Grade(
                    **{
                        "project": project,
                        "image": image,
                        "model": model,
                        "requested_by": author,
                        "status": "succeeded",
                        "finished_at": begin + timedelta(seconds=number),
                        "prediction_id": model.classes[number % 2]["id"],
                        "confidence": 0.9,
                        "probabilities": {str(entry["id"]): 0.5 for entry in model.classes},
                        "decision": "answer",
                        "distance": float(distance),
                        "spread": 0.05,
                        "site": site,
                        "standing": "learned",
                        **columns,
                    }
                )
            )
        Grade.objects.bulk_create(rows)
        return list(Grade.objects.order_by("-pk")[: len(rows)])[::-1]

    return make
