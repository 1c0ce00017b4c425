"""A GPU that grades, where there is one: chosen by GRADE_DEVICE, compared with the processor when a version is loaded.

The networks run there as PyTorch runs them, in single precision. What does not give the processor's answers, and what fails later,
is not used: the processor answers, and administrators are told."""

import copy
import logging
import socket
import threading
from typing import TYPE_CHECKING, Final

from django.conf import settings

from mediscan_site.core import notices, tidy
from mediscan_site.core.models import Notice
from models_registry.models import DeployedModel, ModelVersion

if TYPE_CHECKING:
    from models_registry.inference.predictor import Predictor
    from models_registry.inference.preprocess import Pixels
    from models_registry.inference.runtimes import Outputs, Runtime

log = logging.getLogger(__name__)

AUTO, CPU, CUDA = "auto", "cpu", "cuda"
CHOICES: Final = (AUTO, CPU, CUDA)
NOTICE: Final = "grade-device"
_allowed = threading.Event()


def allow() -> None:
    """From now on this process may take a GPU: it grades. Pages and trainings, which load versions too, leave it alone."""
    _allowed.set()


def accelerated(model: ModelVersion, loaded: "Predictor") -> "Predictor":
    """The predictor with its networks on the GPU that GRADE_DEVICE chooses; as it is where that is none, or where the GPU says
    otherwise than the processor."""
    device, trouble = chosen(), notices.here(f"{NOTICE}:{model.pk}")
    if device == CPU:
        return loaded
    try:
        runtime = on_device(loaded, device)
        why = disagreement(loaded, runtime)
    except RuntimeError as error:
        why = f"the GPU fails ({error})"
    if why:
        _tell(trouble, f"The processor answers for {model.code}, not the GPU: {why}.")
        return loaded
    notices.take_away(trouble)
    log.info("A GPU answers for %s", model.code)
    return loaded.served_by(_Guarded(runtime, loaded.runtime, trouble))


def chosen() -> str:
    """CPU, or CUDA where this process may take a GPU, GRADE_DEVICE allows it and PyTorch finds one. Where one was asked for and is
    not there, administrators are told."""
    if not _allowed.is_set():
        return CPU
    wanted, there = settings.GRADE_DEVICE, settings.GRADE_DEVICE != CPU and _is_there()
    if wanted == CUDA and not there:
        _tell(
            notices.here(NOTICE),
            "GRADE_DEVICE=cuda, but PyTorch finds no GPU here: the processor answers. Set GRADE_DEVICE=auto or mend it.",
        )
    else:
        notices.take_away(notices.here(NOTICE))
    return CUDA if there else CPU


def _is_there() -> bool:
    import torch

    return torch.cuda.is_available()


@tidy.register
def forget() -> None:
    """Notices of versions that no longer serve, or of a site that no longer wants a GPU: nobody loads them and finds it well."""
    serving = set(DeployedModel.objects.values_list("deployment__model", flat=True))
    for key in Notice.objects.filter(key__startswith=f"{NOTICE}:").values_list("key", flat=True):
        model = int(key.removeprefix(f"{NOTICE}:").partition("@")[0])
        if model not in serving or settings.GRADE_DEVICE == CPU:
            notices.take_away(key)


def on_device(loaded: "Predictor", device: str) -> "Runtime":
    """The networks of a version on that device, in single precision."""
    import torch

    from models_registry.inference.runtimes import Eager

    # TensorFloat-32 rounds the factors of a convolution to ten bits: other answers than the processor's.
    torch.backends.cudnn.allow_tf32 = False
    networks = [copy.deepcopy(network).to(device) for network in loaded.networks]
    manifest = loaded.manifest
    return Eager(networks, manifest.preprocess, poses=manifest.poses, device=device)


def disagreement(loaded: "Predictor", runtime: "Runtime") -> str:
    """In what a runtime differs from PyTorch on the processor, on the reference pictures; empty where it does not."""
    from models_registry.inference import graph
    from models_registry.inference.pictures import reference_pixels

    found = graph.parity(runtime, loaded.eager, reference_pixels(loaded.manifest.preprocess))
    if found.holds:
        return ""
    return f"its logits differ by {found.logits:.1e}, its features by {found.features:.1e}, and {graph.PARITY:.0e} is the most"


class _Guarded:
    """The GPU's answers; the processor's from the first failure on, as a GPU that has failed in a process fails again."""

    def __init__(self, gpu: "Runtime", cpu: "Runtime", trouble: str) -> None:
        """`trouble`: the key of the notice of a failure."""
        self._now, self._cpu, self._trouble = gpu, cpu, trouble

    def run(self, tiles: "Pixels") -> "Outputs":
        try:
            return self._now.run(tiles)
        except RuntimeError as error:
            if self._now is self._cpu:
                raise
            _tell(
                self._trouble,
                f"A GPU that graded has failed, and the processor answers until the grade workers start again: {error}.",
            )
            self._now = self._cpu
            return self._now.run(tiles)


def _tell(trouble: str, sentence: str) -> None:
    log.warning(sentence)
    notices.put(trouble, f"{socket.gethostname()}: {sentence}"[:500])
