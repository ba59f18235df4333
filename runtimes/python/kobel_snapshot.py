"""SnapStart: the runtime after its init is forked into environments, or goes on as the only one of its kind.

Forks share all memory, so what must differ between environments is renewed here: sources of randomness, connections,
and the files in /tmp, which each environment has for itself.
"""

import ctypes
import gc
import os
import stat
import sys

COPY_BYTES = 1 << 20


def run_before_hooks():
    hooks = _hooks("get_before_snapshot")
    while hooks:
        function, arguments, named = hooks.pop()
        function(*arguments, **named)


def run_after_hooks():
    for function, arguments, named in _hooks("get_after_restore"):
        function(*arguments, **named)


def _hooks(getter):
    module = sys.modules.get("snapshot_restore_py")
    return getattr(module, getter)() if module else []


def obstacle():
    """Why this process cannot be forked; None if it can."""
    threads = len(os.listdir("/proc/self/task"))
    if threads > 1:
        return "its init left %d threads behind" % (threads - 1)
    processes = [name for name in os.listdir("/proc") if name.isdigit() and int(name) not in (1, os.getpid())]
    if processes:
        return "its init left %d processes behind" % len(processes)
    return None


def fork_forever(library, descriptor):
    """Returns in each fork."""
    gc.collect()
    gc.freeze()
    ctypes.pythonapi.PyOS_BeforeFork()
    if library.kobel_template_serve(descriptor) < 0:
        os._exit(0)
    ctypes.pythonapi.PyOS_AfterFork_Child()


def become_unique(library, descriptor):
    """Renews what forks must not share. `descriptor` is the channel's, the only connection that is this fork's own."""
    # Connections of the init are closed, as they are when a snapshot is restored: using them fails.
    library.kobel_close_connections(descriptor)
    _renew_randomness()
    folder = library.kobel_template_tmp()
    if folder >= 0:
        _copy_folder(folder, "/tmp")
        os.close(folder)


def _renew_randomness():
    # `random` is seeded anew after each fork by Python, and OpenSSL sees by the process's number that it was forked.
    if "tempfile" in sys.modules:
        sys.modules["tempfile"]._name_sequence = None
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()


def _copy_folder(source, target):
    """Copies what is below the folder with the descriptor `source` to the path `target`."""
    for entry in os.scandir(source):
        path = os.path.join(target, entry.name)
        facts = entry.stat(follow_symlinks=False)
        if stat.S_ISLNK(facts.st_mode):
            os.symlink(os.readlink(entry.name, dir_fd=source), path)
        elif stat.S_ISDIR(facts.st_mode):
            os.mkdir(path, 0o700)
            below = os.open(entry.name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=source)
            try:
                _copy_folder(below, path)
            finally:
                os.close(below)
            os.chmod(path, stat.S_IMODE(facts.st_mode))
        elif stat.S_ISREG(facts.st_mode):
            _copy_file(entry.name, source, path, facts)


def _copy_file(name, folder, path, facts):
    with open(os.open(name, os.O_RDONLY, dir_fd=folder), "rb") as source, open(path, "wb") as target:
        while True:
            data = source.read(COPY_BYTES)
            if not data:
                break
            target.write(data)
    os.chmod(path, stat.S_IMODE(facts.st_mode))
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
