"""Does in the stem what every child does around its function, so that children find it done.

Python counts how often code is called and writes faster variants into it, takes memory at the first use of much, and
fills caches. Each page that a child writes to is a copy of its own: what is settled before the fork is shared by all.
"""

import os
import sys

import kobel_bootstrap

# More often than Python waits before it makes code faster.
ROUNDS = 24
FOLDER = "/tmp/rehearsal"
MODULE = "kobel_rehearsed"
SOURCE = "import json\nimport os\n\n\ndef handler(event, context):\n    return event\n"
HEADER = {"requestId": "rehearsal", "functionArn": "arn", "deadlineMs": 0, "traceId": "Root=1"}


def run():
    source = os.path.join(FOLDER, MODULE + ".py")
    os.mkdir(FOLDER)
    with open(source, "w") as file:
        file.write(SOURCE)
    descriptors = os.pipe()
    before = (list(sys.path), dict(os.environ), sys.dont_write_bytecode)
    # As little as a function's folder does this one keep compiled code.
    sys.dont_write_bytecode = True
    try:
        for _ in range(ROUNDS):
            rehearse(*descriptors)
    finally:
        sys.path[:], sys.dont_write_bytecode = before[0], before[2]
        os.environ.clear()
        os.environ.update(before[1])
        kobel_bootstrap.STATE["request_id"] = None
        sys.path_importer_cache.pop(FOLDER, None)
        for descriptor in descriptors:
            os.close(descriptor)
        os.unlink(source)
        os.rmdir(FOLDER)


def rehearse(reading, writing):
    variables = dict(os.environ)
    os.environ.clear()
    os.environ.update(variables)
    os.environ["LAMBDA_TASK_ROOT"] = FOLDER
    sys.path_importer_cache.pop(FOLDER, None)
    kobel_bootstrap.unbuffered(sys.stdout, "strict")
    kobel_bootstrap.set_up_paths()
    handler = kobel_bootstrap.load_handler(MODULE + ".handler")
    del sys.modules[MODULE]
    host, runtime = kobel_bootstrap.Channel(reading), kobel_bootstrap.Channel(writing)
    runtime.send(kobel_bootstrap.INVOKE, HEADER, b'{"key": ["value", 1, 1.5, null]}')
    _, header, event = host.receive()
    kobel_bootstrap.serve(runtime, handler, header, event)
    host.receive()
