"""A function with SnapStart: what its init made, and what each environment has of its own."""

import json
import os
import urllib.request
import uuid

import snapshot_restore_py

INIT_ID = str(uuid.uuid4())
EVENTS = ["init"]


@snapshot_restore_py.register_before_snapshot
def before():
    EVENTS.append("before")
    if "FAIL_BEFORE" in os.environ:
        raise RuntimeError("not ready for winter")


@snapshot_restore_py.register_after_restore
def after():
    EVENTS.append("after")
    if "FAIL_AFTER" in os.environ:
        raise RuntimeError("winter never ends")


def handler(event, context):
    EVENTS.append(event)
    return {
        "init": INIT_ID,
        "events": EVENTS,
        "type": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"],
        "keys": sorted(name for name in os.environ if name.startswith("AWS_") and ("KEY" in name or "LOG_" in name)),
        "logs": [context.log_group_name, context.log_stream_name],
        "credentials": credentials(os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"]),
        "refused": credentials("another token"),
    }


def credentials(token):
    request = urllib.request.Request(os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"], headers={"Authorization": token})
    try:
        with urllib.request.urlopen(request) as reply:
            return json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code
