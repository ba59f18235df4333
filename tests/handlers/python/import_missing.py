import acorns_that_nobody_packed


def handler(event, context):
    return event
