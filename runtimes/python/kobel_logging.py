"""The handler of the root logger, as Lambda's Python runtime sets it up."""

import json
import logging
import os
import time
import traceback

# What Lambda leaves out of a JSON entry: standard members, but for those that later versions of Python have added.
STANDARD = set(
    "name msg args levelname levelno pathname filename module exc_info exc_text stack_info lineno funcName created msecs "
    "relativeCreated thread threadName processName process aws_request_id tenant_id".split()
)


class RequestIdFilter(logging.Filter):
    def __init__(self, state):
        super().__init__()
        self._state = state

    def filter(self, record):
        record.aws_request_id = self._state["request_id"] or ""
        return True


class LogHandler(logging.Handler):
    """Writes each record as one log event. What fails in it fails in the function, as on Lambda."""

    def __init__(self, write_message):
        super().__init__()
        self._write_message = write_message

    def emit(self, record):
        self._write_message(self.format(record))


class JsonFormatter(logging.Formatter):
    def format(self, record):
        # The next lower of the levels that Lambda knows.
        record.levelno = min(50, max(0, record.levelno)) // 10 * 10
        record.levelname = logging.getLevelName(record.levelno)
        error_type, error, frames = record.exc_info or (None, None, None)
        entry = {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname,
            "message": record.msg if isinstance(record.msg, dict) and not record.args else record.getMessage(),
            "logger": record.name,
            "stackTrace": traceback.format_tb(frames) if record.exc_info else None,
            "errorType": error_type and error_type.__name__,
            "errorMessage": str(error) if record.exc_info else None,
            "requestId": getattr(record, "aws_request_id", None),
            "location": "%s:%s:%s" % (record.pathname, record.funcName, record.lineno) if record.exc_info else None,
        }
        own = {name: value for name, value in vars(record).items() if name not in STANDARD and name not in entry}
        entry.update(own)
        return json.dumps({name: value for name, value in entry.items() if value is not None}, ensure_ascii=False, default=str)


def set_up(state, write_message):
    """Gives the root logger its handler, and the function's configured level."""
    logging.Formatter.converter = time.gmtime
    handler = LogHandler(write_message)
    if os.environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON":
        handler.setFormatter(JsonFormatter())
    else:
        pattern = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s"
        handler.setFormatter(logging.Formatter(pattern, "%Y-%m-%dT%H:%M:%S"))
    handler.addFilter(RequestIdFilter(state))
    logging.root.addHandler(handler)
    level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper()
    # Lambda has a level that Python does not know.
    level = "DEBUG" if level == "TRACE" else level
    if isinstance(logging.getLevelName(level), int):
        logging.root.setLevel(level)
