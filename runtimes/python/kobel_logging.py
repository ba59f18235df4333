"""The handler of the root logger, as Lambda's Python runtime sets it up."""

import json
import logging
import os
import time

LEVELS = {"TRACE": 5, "DEBUG": 10, "INFO": 20, "WARN": 30, "ERROR": 40, "FATAL": 50}


class RequestIdFilter(logging.Filter):
    def __init__(self, state):
        super().__init__()
        self._state = state

    def filter(self, record):
        record.aws_request_id = self._state["request_id"] or ""
        return True


class LogHandler(logging.Handler):
    """Writes each record as one log event."""

    def __init__(self, write_message):
        super().__init__()
        self._write_message = write_message

    def emit(self, record):
        try:
            self._write_message(self.format(record).rstrip("\n"))
        except Exception:
            self.handleError(record)


class JsonFormatter(logging.Formatter):
    _own = set(vars(logging.makeLogRecord({}))) | {"aws_request_id", "message", "asctime", "color_message"}

    def format(self, record):
        entry = {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
        }
        if record.exc_info and record.exc_info[0]:
            self._add_error(entry, record)
        for name, value in vars(record).items():
            if name not in self._own:
                entry[name] = value
        if getattr(record, "aws_request_id", ""):
            entry["requestId"] = record.aws_request_id
        return json.dumps(entry, ensure_ascii=False, default=str)

    @staticmethod
    def _add_error(entry, record):
        import traceback

        entry["stackTrace"] = traceback.format_tb(record.exc_info[2])
        entry["errorType"] = record.exc_info[0].__name__
        entry["errorMessage"] = str(record.exc_info[1])
        entry["location"] = "%s:%s:%s" % (record.pathname, record.funcName, record.lineno)


def set_up(state, write_message):
    """Gives the root logger its handler, and the function's configured level."""
    handler = LogHandler(write_message)
    if os.environ.get("AWS_LAMBDA_LOG_FORMAT") == "JSON":
        handler.setFormatter(JsonFormatter())
    else:
        pattern = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s"
        formatter = logging.Formatter(pattern, "%Y-%m-%dT%H:%M:%S")
        formatter.converter = time.gmtime
        handler.setFormatter(formatter)
    handler.addFilter(RequestIdFilter(state))
    logging.root.addHandler(handler)
    level = LEVELS.get(os.environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper())
    if level is not None:
        logging.root.setLevel(level)
