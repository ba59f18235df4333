"""Waiting on conditions: no test sleeps for a time that it guessed."""

import time

POLL_S = 0.02


def wait_until(condition, timeout_s=20, what=None):
    """Returns the first true value of `condition()`, or fails after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s} s: {what or condition}; last value: {value!r}")
        time.sleep(POLL_S)


def receive(sqs, queue_url, count=1, timeout_s=20, **arguments):
    """Receives and deletes `count` messages. The long poll is a timer, so virtual time goes on meanwhile."""
    messages = []

    def enough():
        reply = sqs.receive_message(
            QueueUrl=queue_url,
            MaxNumberOfMessages=min(10, count - len(messages)),
            WaitTimeSeconds=5,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
            **arguments,
        )
        for message in reply.get("Messages", []):
            sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
            messages.append(message)
        return len(messages) >= count

    wait_until(enough, timeout_s, f"{count} messages in {queue_url}")
    return messages
