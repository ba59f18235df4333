raise RuntimeError("no winter store")


def handler(event, context):
    return event
