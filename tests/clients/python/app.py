"""What the tests ask of AWS's own client for Python."""

import logging
import time


def handler(event, context):
    match event["do"]:
        case "fail":
            raise ValueError("as asked")
        case "log":
            print("printed")
            logging.getLogger().error("logged")
    return {
        "event": event,
        "request_id": context.aws_request_id,
        "function": context.function_name,
        "arn": context.invoked_function_arn,
        "version": context.function_version,
        "memory": context.memory_limit_in_mb,
        "log_group": context.log_group_name,
        "deadline_ms": time.time() * 1000 + context.get_remaining_time_in_millis(),
        "client": context.client_context and context.client_context.custom,
    }
