import time


def handler(event, context):
    time.sleep(event.get("hold_s", 0))
    return event
