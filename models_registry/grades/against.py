"""What speaks against answering a scan besides its pixels: what is said of it, and how large it came in."""

from images.models import Image
from models_registry.inference.knowing.rules import too_small
from models_registry.inference.manifest import Manifest
from models_registry.inference.refer_reasons import ReferReason
from models_registry.models import ModelVersion
from models_registry.versions import intended, lineage


def reasons(model: ModelVersion, image: Image, manifest: Manifest) -> tuple[ReferReason, ...]:
    """In the order in which a doctor reads them: another kind of scan, then too small a picture."""
    modality = (ReferReason.OTHER_MODALITY,) if lineage.is_of_other_modality(model, image) else ()
    smallest = manifest.knowing.smallest_side if manifest.knowing else 0
    return (
        *modality,
        *intended.contradictions(model.project, image),
        *too_small(min(image.width, image.height), smallest),
    )
