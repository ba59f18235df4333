"""Packages that cannot be: AWS's error, and nothing left on disk."""

import io
import stat
import struct
import warnings
import zipfile

import pytest
from botocore.exceptions import ClientError

from functions import RUNTIMES, Functions, zipped
from kobel import Server
from waiting import wait_until

CORRUPT = "Could not unzip uploaded file. Please check your file, then try to upload again."
TOO_LARGE = "Unzipped size must be smaller than 262144000 bytes"
EMPTY = "Uploaded file must be a non-empty zip"
HANDLER = "def handler(event, context):\n    return 1\n"
CENTRAL, LOCAL = b"PK\x01\x02", b"PK\x03\x04"


def archive(*entries, compression=zipfile.ZIP_DEFLATED):
    """A zip of `(name, content, mode)`, names as they are, also twice."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as target, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, content, mode in entries:
            entry = zipfile.ZipInfo("placeholder")
            entry.filename = name
            entry.create_system = 3
            entry.external_attr = mode << 16
            entry.compress_type = compression
            target.writestr(entry, content)
    return buffer.getvalue()


def patched(code, at_local, at_central, layout, value):
    """The zip with another value in the headers of its only entry."""
    code = bytearray(code)
    struct.pack_into(layout, code, code.index(LOCAL) + at_local, value)
    struct.pack_into(layout, code, code.index(CENTRAL) + at_central, value)
    return bytes(code)


def file(name, content=HANDLER, mode=stat.S_IFREG | 0o644):
    return name, content, mode


def link(name, target):
    return name, target, stat.S_IFLNK | 0o777


def bomb(declared=None):
    code = archive(file("bomb", bytes(263_000_000)))
    return code if declared is None else patched(code, 22, 24, "<I", declared)


def damaged():
    code = bytearray(archive(file("index.py", HANDLER * 100)))
    code[code.index(b"index.py") + 12] ^= 0xFF
    return bytes(code)


def truncated():
    return archive(file("index.py"))[:-30]


REFUSED = {
    "not a zip": (lambda: b"\x00" * 1000, CORRUPT),
    "no entries": (archive, EMPTY),
    "truncated": (truncated, CORRUPT),
    "damaged": (damaged, CORRUPT),
    "bomb that says so": (bomb, TOO_LARGE),
    "bomb that says less": (lambda: bomb(1000), (CORRUPT, TOO_LARGE)),
    "path above": (lambda: archive(file("../../index.py")), CORRUPT),
    "path above later": (lambda: archive(file("lib/../../index.py")), CORRUPT),
    "path of a file twice": (lambda: archive(file("lib"), file("lib/index.py")), CORRUPT),
    "link above": (lambda: archive(file("index.py"), link("up", "../..")), CORRUPT),
    "absolute link": (lambda: archive(file("index.py"), link("etc", "/etc")), CORRUPT),
    "link through a link": (lambda: archive(link("a", "lib"), link("lib", "../x"), file("index.py")), CORRUPT),
    "file through a link": (lambda: archive(link("out", "/tmp"), file("out/index.py")), CORRUPT),
    "loop": (lambda: archive(link("a", "b"), link("b", "a")), CORRUPT),
    "encrypted": (lambda: patched(archive(file("index.py")), 6, 8, "<H", 1), CORRUPT),
    "unknown compression": (lambda: patched(archive(file("index.py")), 8, 10, "<H", 77), CORRUPT),
    "unsupported compression": (lambda: archive(file("index.py"), compression=zipfile.ZIP_LZMA), CORRUPT),
    "long name": (lambda: archive(file("x" * 300)), CORRUPT),
    "deep path": (lambda: archive(file("d/" * 128 + "index.py")), CORRUPT),
    "too many folders": (lambda: archive(*[file(f"{n}/" + "d/" * 120 + "f", "") for n in range(170)]), CORRUPT),
}


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """A server with an empty data folder."""
    server = Server(tmp_path_factory.mktemp("packages")).start()
    yield server
    server.stop()


def left(server):
    """What is left of packages: unpacked folders, spooled archives, blobs."""
    folders = [server.data / "code", server.data / "blobs"]
    return sorted(str(path) for folder in folders if folder.is_dir() for path in folder.rglob("*") if path.is_file())


def is_refused(call, message):
    with pytest.raises(ClientError) as error:
        call()
    response = error.value.response
    expected = message if isinstance(message, tuple) else (message,)
    assert response["Error"]["Code"] == "InvalidParameterValueException", response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert response["Error"]["Message"] in expected


@pytest.mark.parametrize("case", list(REFUSED))
def test_a_bad_package_is_refused_and_leaves_nothing(clean, case):
    make, message = REFUSED[case]
    code, lambda_ = make(), clean.client("lambda")
    function = {"FunctionName": "bad", "Role": clean.role(), "Runtime": RUNTIMES["python"], "Handler": "index.handler"}
    before = left(clean)
    is_refused(lambda: lambda_.create_function(**function, Code={"ZipFile": code}), message)
    is_refused(lambda: lambda_.publish_layer_version(LayerName="bad", Content={"ZipFile": code}), message)
    assert left(clean) == before
    with pytest.raises(ClientError):
        lambda_.get_function(FunctionName="bad")


def test_a_bad_package_in_a_bucket_changes_no_function(clean):
    lambda_, s3, functions = clean.client("lambda"), clean.client("s3"), Functions(clean)
    functions.create("good", "index.handler", Code={"ZipFile": archive(file("index.py"))})
    s3.create_bucket(Bucket="packages")
    s3.put_object(Bucket="packages", Key="bad.zip", Body=damaged())
    before = left(clean)
    is_refused(lambda: lambda_.update_function_code(FunctionName="good", S3Bucket="packages", S3Key="bad.zip"), CORRUPT)
    assert left(clean) == before
    assert functions.invoke("good").payload == 1
    lambda_.delete_function(FunctionName="good")
    wait_until(lambda: not list((clean.data / "code").iterdir()), what="the code is gone")


def test_odd_entries_are_taken_for_what_they_can_be(clean):
    look = """
import os
def handler(event, context):
    return {name: oct(os.lstat(name).st_mode) for name in sorted(os.listdir("."))} | {"twice": open("twice").read()}
"""
    code = archive(
        file("index.py", look, stat.S_IFREG),
        file("set-uid", "", stat.S_IFREG | 0o7777),
        file("fifo", "", stat.S_IFIFO | 0o666),
        file("device", "", stat.S_IFCHR | 0o666),
        file("twice", "first"),
        file("./twice", "second"),
        file("folder/", "", stat.S_IFDIR),
        link("inner", "folder/../twice"),
    )
    functions = Functions(clean)
    functions.create("odd", "index.handler", Code={"ZipFile": code})
    assert functions.invoke("odd").payload == {
        "index.py": "0o100444",
        "set-uid": "0o100555",
        "fifo": "0o100444",
        "device": "0o100444",
        "twice": "second",
        "folder": "0o40755",
        "inner": "0o120777",
    }


ELF = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 2, 0xF7) + bytes(44)
NOT_THERE = "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"


@pytest.mark.parametrize(
    ("bootstrap", "reason"),
    [
        (None, NOT_THERE),
        (file("bootstrap", ELF, 0o755), "fork/exec /var/task/bootstrap: exec format error"),
        (file("bootstrap", "echo no shebang", 0o755), "fork/exec /var/task/bootstrap: exec format error"),
        (file("bootstrap", "#!/bin/sh\n", 0o644), "fork/exec /var/task/bootstrap: permission denied"),
        (file("bootstrap", "#!/none\n", 0o755), "fork/exec /var/task/bootstrap: no such file or directory"),
        (file("bootstrap/file", "", 0o755), NOT_THERE),
    ],
)
def test_a_bootstrap_that_cannot_run_is_named(functions, name, bootstrap, reason):
    code = archive(*([file("index.txt")] + ([bootstrap] if bootstrap else [])))
    functions.create(name, "any", "provided", Code={"ZipFile": code})
    done = functions.invoke(name)
    request_id = done.reply["ResponseMetadata"]["RequestId"]
    assert done.error == "Unhandled"
    assert done.payload == {
        "errorType": "Runtime.InvalidEntrypoint",
        "errorMessage": f"RequestId: {request_id} Error: {reason}",
    }


@pytest.mark.parametrize(
    ("language", "handler", "error_type", "message"),
    [
        ("python", "none.handler", "Runtime.ImportModuleError", "Unable to import module 'none': No module named 'none'"),
        ("python", "index.none", "Runtime.HandlerNotFound", "Handler 'none' missing on module 'index'"),
        ("python", "nodot", "Runtime.MalformedHandlerName", "Bad handler 'nodot': not enough values to unpack"),
        ("node", "none.handler", "Runtime.ImportModuleError", "Error: Cannot find module 'none'"),
        ("node", "index.none", "Runtime.HandlerNotFound", "index.none is undefined or not exported"),
        ("node", "nodot", "Runtime.MalformedHandlerName", "Bad handler"),
        ("java", "none.Handler::handle", "java.lang.ClassNotFoundException", "none.Handler"),
    ],
)
def test_a_handler_that_is_not_there_is_named(functions, name, language, handler, error_type, message):
    code = zipped({"index.py": HANDLER, "index.js": "exports.handler = async () => 1"})
    functions.create(name, handler, language, Code={"ZipFile": code}, MemorySize=512)
    done = functions.invoke(name)
    assert done.error == "Unhandled"
    assert done.payload["errorType"] == error_type
    assert message in done.payload["errorMessage"]
