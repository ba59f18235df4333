"""Hooks of functions with SnapStart: what runs before the snapshot is taken and after it was restored.

Each function can be used as a decorator. AWS's runtimes have this module too.
"""

_before_snapshot = []
_after_restore = []


def register_before_snapshot(func, *args, **kwargs):
    """`func(*args, **kwargs)` runs before the snapshot; the hook that was registered last runs first."""
    _before_snapshot.append((func, args, kwargs))
    return func


def register_after_restore(func, *args, **kwargs):
    """`func(*args, **kwargs)` runs after each restoring, in the order of registration."""
    _after_restore.append((func, args, kwargs))
    return func


def get_before_snapshot():
    return _before_snapshot


def get_after_restore():
    return _after_restore
