"""Runs what an attacker would: the code that the event brings. What it leaves in `result` is the answer."""

import ctypes
import errno
import os
import platform

libc = ctypes.CDLL(None, use_errno=True)


def syscall(number, *arguments):
    """`ok`, or the name of the error."""
    ctypes.set_errno(0)
    padded = [ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments]
    if libc.syscall(ctypes.c_long(number), *padded) >= 0:
        return "ok"
    return errno.errorcode.get(ctypes.get_errno(), str(ctypes.get_errno()))


def attempt(action, *arguments, **members):
    """`ok`, or the name of the error."""
    try:
        action(*arguments, **members)
        return "ok"
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))


def frame(kind, header=b"{}", body=b"", length=None, header_length=None):
    """A message as bootstraps write them to descriptor 3."""
    length = 5 + len(header) + len(body) if length is None else length
    header_length = len(header) if header_length is None else header_length
    return length.to_bytes(4, "big") + kind + header_length.to_bytes(4, "big") + header + body


def handler(event, context):
    assert platform.machine() == "x86_64", "the numbers of the system calls are those of x86-64"
    scope = {
        "event": event,
        "context": context,
        "libc": libc,
        "syscall": syscall,
        "attempt": attempt,
        "frame": frame,
        "os": os,
        "result": None,
    }
    exec(event["code"], scope)
    return scope["result"]
