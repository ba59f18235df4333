"""Summarizes what the Java function measured of an upload."""

import json
import logging
import os

logger = logging.getLogger()
logger.setLevel(logging.INFO)


class RefusedUpload(Exception):
    """The key asks for a failure, so that the way of failed uploads can be seen."""


def handler(event, context):
    # SNS sends one record an event. Its message is the record of the Java function's success.
    record = json.loads(event["Records"][0]["Sns"]["Message"])
    inspected = record["responsePayload"]
    key = inspected["key"]
    marker = os.environ.get("FAIL_MARKER", "fail")
    if marker in key:
        raise RefusedUpload(f"the key {key!r} contains {marker!r}")

    summary = summarize(inspected)
    logger.info("summarized %s: %s", key, summary["summary"])
    return summary


def summarize(inspected):
    words, lines = inspected["words"], inspected["lines"]
    return {
        "bucket": inspected["bucket"],
        "key": inspected["key"],
        "size": inspected["size"],
        "sha256": inspected["sha256"],
        "kind": kind(inspected["size"]),
        "wordsPerLine": round(words / lines, 2) if lines else 0,
        "summary": f"{words} words on {lines} lines",
    }


def kind(size):
    if size == 0:
        return "empty"
    return "short" if size < 1024 else "long"
