"""What apps do once tables and objects are back. Apart from `restoring`, so that registering costs nothing."""

from collections.abc import Callable

Hook = Callable[[], int]
_hooks: list[Hook] = []


def after_restore(hook: Hook) -> Hook:
    """Register (also as a decorator) what an app does after a restore; it returns how many of its rows it changed."""
    if hook not in _hooks:
        _hooks.append(hook)
    return hook


def run() -> int:
    return sum(hook() for hook in _hooks)
