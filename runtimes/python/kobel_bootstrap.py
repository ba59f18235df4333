"""Kobel's bootstrap for Python functions.

Speaks length-framed messages over the socket whose descriptor `_KOBEL_CHANNEL` names:
`length: u32`, `kind: u8`, `header length: u32`, a JSON header, a body; numbers are big endian.
Runs on Python 3.6 and later, with the standard library alone.
"""

import importlib
import io
import json
import os
import struct
import sys
import time

READY, INIT_ERROR, INVOKE, RESPONSE, ERROR = b"I", b"F", b"V", b"R", b"E"
SPECIALISE, TEMPLATE = b"P", b"T"
RESPONSE_BYTES_MAX = 6291556
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
OWN_FOLDER = os.path.dirname(os.path.abspath(__file__))
# Lambda indents what follows the first line of an error in its log with these (U+00A0).
NO_BREAK_SPACE = "\xa0"
# What the log needs to know of the present: shared with `kobel_logging`.
STATE = {"request_id": None}
# Where a function's own modules are, when it is forked from a stem.
FUNCTION_FOLDERS = ("/var/task", "/opt")
# A line break inside a message that is one log event.
MESSAGE_BREAK = "\x1e"


class Channel:
    def __init__(self, descriptor):
        self._descriptor = descriptor
        os.set_inheritable(descriptor, False)
        self._buffer = bytearray()

    def send(self, kind, header, body=b""):
        header = json.dumps(header).encode()
        prefix = struct.pack(">IcI", 5 + len(header) + len(body), kind, len(header))
        rest = memoryview(prefix + header + body)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def descriptor(self):
        return self._descriptor

    def receive(self):
        """The next message as (kind, header, body); None when the host is gone."""
        prefix = self._take(9)
        if prefix is None:
            return None
        length, kind, header_length = struct.unpack(">IcI", prefix)
        header = self._take(header_length)
        body = self._take(length - 5 - header_length)
        if header is None or body is None:
            return None
        return kind, json.loads(header.decode()), body

    def _take(self, count):
        while len(self._buffer) < count:
            data = os.read(self._descriptor, max(65536, count - len(self._buffer)))
            if not data:
                return None
            self._buffer += data
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken


class Fault(Exception):
    """An error of the user's function that AWS names in its own way."""

    def __init__(self, error_type, message, stack=()):
        super().__init__(message)
        self.error_type = error_type
        self.stack = list(stack)


class Described:
    """Shows its fields as Lambda's objects do."""

    __slots__ = []

    def __repr__(self):
        names = self.__slots__ or [name for name in vars(self) if not name.startswith("_")]
        fields = ("%s=%s" % (name, getattr(self, name)) for name in names)
        return "%s([%s])" % (type(self).__name__, ",".join(fields))


class CognitoIdentity(Described):
    __slots__ = ["cognito_identity_id", "cognito_identity_pool_id"]

    def __init__(self, values):
        self.cognito_identity_id = values.get("cognitoIdentityId")
        self.cognito_identity_pool_id = values.get("cognitoIdentityPoolId")


class Client(Described):
    __slots__ = ["installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name"]

    def __init__(self, values):
        for name in self.__slots__:
            setattr(self, name, values.get(name))


class ClientContext(Described):
    __slots__ = ["custom", "env", "client"]

    def __init__(self, values):
        self.custom = values.get("custom")
        self.env = values.get("env")
        self.client = Client(values["client"]) if values.get("client") is not None else None


class LambdaContext(Described):
    def __init__(self, header):
        client = parse_header(header, "clientContext", "Client Context")
        identity = parse_header(header, "cognitoIdentity", "Cognito Identity")
        self.aws_request_id = header["requestId"]
        self.log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.invoked_function_arn = header["functionArn"]
        self.client_context = ClientContext(client) if client is not None else None
        self.identity = CognitoIdentity(identity or {})
        self.tenant_id = None
        self._epoch_deadline_time_in_ms = header["deadlineMs"]

    def get_remaining_time_in_millis(self):
        return max(self._epoch_deadline_time_in_ms - int(time.time() * 1000), 0)

    def log(self, message):
        write_message(str(message))


def parse_header(header, member, name):
    if not header.get(member):
        return None
    try:
        return json.loads(header[member])
    except ValueError as error:
        raise Fault("Runtime.LambdaContextUnmarshalError", "Unable to parse %s JSON: %s" % (name, error))


def write_message(text):
    """Writes `text` as one log event, whatever line breaks it holds."""
    sys.stdout.write(text.replace("\n", MESSAGE_BREAK) + "\n")
    sys.stdout.flush()


class LoggingHook:
    """Sets up `logging` when it is first imported: importing it here would cost every cold start."""

    def find_spec(self, name, path=None, target=None):
        if name != "logging":
            return None
        sys.meta_path.remove(self)
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                spec.loader = LoggingLoader(spec.loader)
                return spec
        return None


class LoggingLoader:
    def __init__(self, loader):
        self._loader = loader

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        self._loader.exec_module(module)
        set_up_logging()

    def __getattr__(self, name):
        return getattr(self._loader, name)


def import_own(name):
    """A module of this folder, which is not on the path of functions."""
    sys.path.insert(0, OWN_FOLDER)
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(OWN_FOLDER)


def set_up_logging():
    import_own("kobel_logging").set_up(STATE, write_message)


def set_up_paths():
    task = os.environ["LAMBDA_TASK_ROOT"]
    opt = os.environ.pop("KOBEL_OPT", "/opt")
    packages = "python/lib/python%d.%d/site-packages" % sys.version_info[:2]
    sys.path[:] = [path for path in sys.path if os.path.abspath(path) != OWN_FOLDER]
    layers = [os.path.join(opt, packages), os.path.join(opt, "python")]
    sys.path[0:0] = [task] + [path for path in layers if os.path.isdir(path)]
    sys.path.append(os.path.join(OWN_FOLDER, "lib"))


def load_handler(name):
    """The function that the handler setting names, with AWS's errors."""
    try:
        module_name, function_name = name.rsplit(".", 1)
    except ValueError as error:
        raise Fault("Runtime.MalformedHandlerName", "Bad handler '%s': %s" % (name, error))
    if module_name.split(".")[0] in sys.builtin_module_names:
        message = "Cannot use built-in module %s as a handler module" % module_name
        raise Fault("Runtime.BuiltInModuleConflict", message)
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise Fault("Runtime.ImportModuleError", "Unable to import module '%s': %s" % (module_name, error), [])
    except SyntaxError as error:
        line = '  File "%s" Line %s\n    %s' % (error.filename, error.lineno, error.text)
        raise Fault("Runtime.UserCodeSyntaxError", "Syntax error in module '%s': %s" % (module_name, error), [line])
    handler = module
    try:
        handler = getattr(module, function_name)
    except AttributeError:
        message = "Handler '%s' missing on module '%s'" % (function_name, module_name)
        raise Fault("Runtime.HandlerNotFound", message)
    return handler


def describe(error, request_id):
    """The error object, without the frames of this bootstrap."""
    if isinstance(error, Fault):
        return make_error(str(error), error.error_type, error.stack, request_id)
    import traceback

    # Of a frame Lambda shows no columns, which tuples do not have.
    frames = [(at.filename, at.lineno, at.name, at.line) for at in traceback.extract_tb(error.__traceback__)]
    while frames and frames[0][0].startswith(OWN_FOLDER):
        frames = frames[1:]
    return make_error(str(error), type(error).__name__, traceback.format_list(frames), request_id)


def make_error(message, error_type, stack, request_id):
    return {"errorMessage": message, "errorType": error_type, "requestId": request_id, "stackTrace": list(stack)}


def log_error(error):
    """One event, in the format of the function's logs."""
    if os.environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON":
        entry = {"timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "level": "ERROR"}
        entry.update(error)
        write_message(to_json(entry))
        return
    text = "[ERROR] " + ": ".join(part for part in (error["errorType"], error["errorMessage"]) if part)
    lines = [text, "Traceback (most recent call last):"]
    for line in (line for element in error["stackTrace"] for line in element.splitlines()):
        content = line.lstrip(" ")
        lines.append(NO_BREAK_SPACE * (len(line) - len(content)) + content)
    write_message("\n".join(lines))


def to_json(value):
    """JSON as Lambda writes it: before Python 3.12 in ASCII, decimals as they are, named tuples as objects."""
    minor = os.environ.get("AWS_EXECUTION_ENV", "").partition("python3.")[2]
    decimals = {}
    try:
        value = plain(value, decimals)
    except RecursionError:
        # A value that contains itself: the encoder says so.
        pass
    text = json.dumps(value, ensure_ascii=minor.isdigit() and int(minor) < 12)
    if decimals:
        import re

        text = re.sub('"([0-9a-f]{32})"', lambda found: decimals.get(found.group(1), found.group(0)), text)
    return text


def plain(value, decimals):
    """`value` in types that `json` knows; in place of a decimal a mark that nobody can have meant."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if isinstance(value, tuple) and callable(getattr(value, "_asdict", None)):
        value = value._asdict()
    if isinstance(value, dict):
        return {plain_key(key): plain(item, decimals) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, decimals) for item in value]
    # Who has a decimal has imported its module.
    if "decimal" in sys.modules and isinstance(value, sys.modules["decimal"].Decimal):
        if value.is_nan():
            return float("nan")
        mark = os.urandom(16).hex()
        decimals[mark] = str(value)
        return mark
    return value


def plain_key(key):
    return key.decode("utf-8") if isinstance(key, bytes) else key


def marshal(result):
    """The response; bytes are one already."""
    if isinstance(result, bytes):
        return result
    try:
        return to_json(result)
    except Exception as error:
        raise Fault("Runtime.MarshalError", "Unable to marshal response: %s" % error)


def unmarshal(body):
    try:
        # Not by `utf-8-sig`, whose codec would be loaded for it.
        return json.loads(body[len(BYTE_ORDER_MARK) if body.startswith(BYTE_ORDER_MARK) else 0 :].decode())
    except ValueError as error:
        raise Fault("Runtime.UnmarshalError", "Unable to unmarshal input: %s" % error)


def serve(channel, handler, header, body):
    request_id = header["requestId"]
    STATE["request_id"] = request_id
    if header.get("traceId"):
        os.environ["_X_AMZN_TRACE_ID"] = header["traceId"]
    else:
        os.environ.pop("_X_AMZN_TRACE_ID", None)
    try:
        context = LambdaContext(header)
        response = marshal(handler(unmarshal(body), context))
    except Exception as error:
        described = describe(error, request_id)
        log_error(described)
        flush()
        channel.send(ERROR, {"requestId": request_id, "errorType": described["errorType"]}, to_json(described).encode())
        return
    flush()
    # A lone surrogate ends the process here, as on Lambda.
    response = response if isinstance(response, bytes) else response.encode("utf-8")
    if len(response) > RESPONSE_BYTES_MAX:
        channel.send(ERROR, {"requestId": request_id, "errorType": "Function.ResponseSizeTooLarge"})
    else:
        channel.send(RESPONSE, {"requestId": request_id}, response)


def flush():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass


def unbuffered(stream, errors):
    """A text stream on the descriptor of `stream` that writes at once: what was printed is there after any end."""
    raw = open(stream.fileno(), "wb", buffering=0, closefd=False)
    return io.TextIOWrapper(raw, encoding="utf-8", errors=errors, write_through=True)


def main():
    """The whole life of a runtime that was started for one function."""
    run(Channel(int(os.environ.pop("_KOBEL_CHANNEL"))))


def specialise(descriptor, library):
    """The life of a runtime that was forked from a stem: first it is told which function it serves."""
    channel = Channel(descriptor)
    header, variables = be_told(channel)
    # Python itself sets it where the host lacks the locale of LANG.
    coerced = {name: os.environ[name] for name in ["LC_CTYPE"] if name in os.environ}
    os.environ.clear()
    os.environ.update(dict(coerced, **variables))
    time.tzset()
    # The stem has seen these folders empty. What it knows of the others holds: to look again would copy memory, and
    # `importlib.invalidate_caches` would import `importlib.metadata`.
    for path in [path for path in sys.path_importer_cache if path.startswith(FUNCTION_FOLDERS)]:
        del sys.path_importer_cache[path]
    run(channel, (library, variables) if header.get("template") else None)


def be_told(channel):
    message = channel.receive()
    if message is None or message[0] != SPECIALISE:
        os._exit(1)
    return message[1], json.loads(message[2].decode())


def fail_init(channel, error, status):
    described = describe(error, "")
    log_error(described)
    flush()
    channel.send(INIT_ERROR, {"errorType": described["errorType"]}, to_json(described).encode())
    sys.exit(status)


def take_snapshot(channel, template):
    """Runs the function's hooks; between those before and after, a template is forked. Returns in each fork."""
    kobel_snapshot = import_own("kobel_snapshot")
    try:
        kobel_snapshot.run_before_hooks()
    except Exception as error:
        fail_init(channel, renamed("Runtime.BeforeSnapshotError", error), 64)
    if template is not None:
        library, told = template
        flush()
        reason = kobel_snapshot.obstacle()
        channel.send(TEMPLATE, {"reason": reason})
        if reason:
            os._exit(0)
        kobel_snapshot.fork_forever(library, channel.descriptor())
        # What the function's code has set stays as it is.
        os.environ.update(item for item in be_told(channel)[1].items() if told.get(item[0]) != item[1])
        kobel_snapshot.become_unique(library, channel.descriptor())
    try:
        kobel_snapshot.run_after_hooks()
    except Exception as error:
        fail_init(channel, renamed("Runtime.AfterRestoreError", error), 65)


def renamed(error_type, error):
    fault = Fault(error_type, str(error))
    import traceback

    fault.stack = traceback.format_list(traceback.extract_tb(error.__traceback__)[1:])
    return fault


def run(channel, template=None):
    sys.stdout, sys.stderr = unbuffered(sys.stdout, "strict"), unbuffered(sys.stderr, "backslashreplace")
    set_up_paths()
    if "logging" in sys.modules:
        set_up_logging()
    else:
        sys.meta_path.insert(0, LoggingHook())
    try:
        handler = load_handler(os.environ["_HANDLER"])
    except Exception as error:
        fail_init(channel, error, 1)
    if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
        take_snapshot(channel, template)
    flush()
    channel.send(READY, {})
    while True:
        message = channel.receive()
        if message is None:
            os._exit(0)
        kind, header, body = message
        if kind == INVOKE:
            serve(channel, handler, header, body)
