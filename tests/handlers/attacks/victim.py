"""What attackers are after: a secret in code, environment, memory and /tmp."""

import os

CODE_SECRET = "kobel-secret-in-code"
memory = ["kobel-secret", "in-memory"]


def handler(event, context):
    with open("/tmp/kobel-secret", "w") as file:
        file.write("-".join(memory))
    return os.environ["SECRET"]
