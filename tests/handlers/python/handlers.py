"""One function a behaviour; each test names the one that it needs."""

import ctypes
import json
import os
import sys
import time

calls = 0


def echo(event, context):
    return event


def nothing(event, context):
    return None


def count(event, context):
    global calls
    calls += 1
    return calls


def raise_error(event, context):
    raise ValueError("the nut is hollow")


def raise_when_asked(event, context):
    if event.get("fail"):
        raise ValueError(event["fail"])
    return {"done": event.get("id")}


def sleep(event, context):
    time.sleep(event["seconds"])
    return "slept"


def leave(event, context):
    os._exit(event["code"])


def crash(event, context):
    ctypes.string_at(0)


def allocate(event, context):
    held = []
    for _ in range(event["megabytes"]):
        held.append(bytearray(os.urandom(1024) * 1024))
    return len(held)


def write_tmp(event, context):
    with open("/tmp/nuts", "wb") as file:
        for _ in range(event["megabytes"]):
            file.write(bytes(1024 * 1024))
    return os.path.getsize("/tmp/nuts")


def read_tmp(event, context):
    return os.path.exists("/tmp/nuts")


def write_task(event, context):
    with open("/var/task/nuts", "w") as file:
        file.write("x")


def environment(event, context):
    return dict(os.environ)


def describe_context(event, context):
    return {
        "aws_request_id": context.aws_request_id,
        "function_name": context.function_name,
        "function_version": context.function_version,
        "invoked_function_arn": context.invoked_function_arn,
        "memory_limit_in_mb": context.memory_limit_in_mb,
        "log_group_name": context.log_group_name,
        "log_stream_name": context.log_stream_name,
        "remaining_ms": context.get_remaining_time_in_millis(),
        "client_context": context.client_context and context.client_context.custom,
    }


def log(event, context):
    for line in event["lines"]:
        print(line)
    print("to stderr", file=sys.stderr)
    return "logged"


def log_event(event, context):
    print("EVENT", json.dumps(event))


def set_value(event, context):
    return {1, 2}


def large(event, context):
    return "x" * event["bytes"]


def batch(event, context):
    """An SQS handler: fails the messages whose body says so."""
    failed = [r["messageId"] for r in event["Records"] if r["body"].startswith("fail")]
    print("batch", json.dumps([r["body"] for r in event["Records"]]))
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def batch_raises(event, context):
    raise RuntimeError("the whole batch")
