"""What later apps do with scans that have just come in, in the transaction that saves them, by whichever door they came."""

from collections.abc import Callable, Sequence

from images.models import Image, Project
from images.services.exams import Remark
from mediscan_site.core.models import User

# Gives what the person who brings a scan in should be told about it, if anything.
ArrivalHook = Callable[[User, Project, Sequence[Image]], Sequence[Remark]]
ReleaseHook = Callable[[User, Image], None]
_hooks: list[ArrivalHook] = []
_release_hooks: list[ReleaseHook] = []


def on_arrival(hook: ArrivalHook) -> ArrivalHook:
    """Register (also as a decorator) a function that is told of every new scan. It refuses nothing: an upload goes through."""
    if hook not in _hooks:
        _hooks.append(hook)
    return hook


def on_release(hook: ReleaseHook) -> ReleaseHook:
    """Register (also as a decorator) a function that is told of every scan that was held when it came in and is free now."""
    if hook not in _release_hooks:
        _release_hooks.append(hook)
    return hook


def tell_released(actor: User, image: Image) -> None:
    """Call the hooks, in the transaction that ends the hold."""
    for hook in _release_hooks:
        hook(actor, image)


def tell(actor: User, project: Project, images: Sequence[Image]) -> None:
    """Call the hooks; what they remark is added to the remarks of each of the scans."""
    for hook in _hooks:
        remarks = tuple(hook(actor, project, images))
        for image in images:
            image.remarks = (*image.remarks, *remarks)
