"""Boots Python and Kobel's bootstrap ahead of any function, to be forked into sandboxes.

The parent stays in `kobel_stem_serve`; each child leaves it inside its sandbox, as an unprivileged process.
"""

import ctypes
import gc
import os
import sys

# What functions import most: loaded once for all of them.
import base64
import datetime
import decimal
import hashlib
import logging
import random
import re
import traceback
import urllib.parse

import kobel_bootstrap
import kobel_logging

STEM_LIBRARY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "stem", "stem.so")


def main():
    control = int(os.environ.pop("_KOBEL_STEM"))
    library = ctypes.PyDLL(STEM_LIBRARY)
    if sys.argv[1:] == ["sdk"]:
        import kobel_sdk

        kobel_sdk.load()
        del sys.argv[1:], sys.modules["kobel_sdk"]
    rehearse()
    # Whatever lives now is never collected, so that children do not copy its pages to count it.
    gc.collect()
    gc.freeze()
    ctypes.pythonapi.PyOS_BeforeFork()
    channel = library.kobel_stem_serve(control)
    if channel < 0:
        os._exit(0)
    ctypes.pythonapi.PyOS_AfterFork_Child()
    sys.argv[0] = os.path.join(os.path.dirname(sys.argv[0]), "bootstrap.py")
    kobel_bootstrap.specialise(channel, library)


def rehearse():
    import kobel_rehearsal

    kobel_rehearsal.run()
    # Nothing of it is for functions to see.
    del sys.modules["kobel_rehearsal"]


main()
