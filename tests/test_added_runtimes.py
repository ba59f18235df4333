"""`kobel runtime`: interpreters of folders and images, for the functions of a data folder."""

import glob
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from functions import Functions, zipped
from images import Image, Registry, folder_layer, layer, program_image, python_image
from kobel import COMMAND_TIMEOUT_S, Server, binary, client_environment

PYTHON = Path(os.path.realpath("/usr/bin/python3"))
"""The host's own, of which the tests make others."""
VERSION = PYTHON.name
CODE = """
import os, sys
import encodings, json, hashlib, zlib, ssl


def handler(event, context):
    marked = os.path.exists("/marker") or os.path.exists("/var/lang/marker")
    return {"prefix": sys.prefix, "marked": marked, "version": f"python{sys.version_info[0]}.{sys.version_info[1]}",
            "opt": os.listdir("/opt"), "event": event, "host": os.path.exists("/usr/share/common-licenses")}
"""


def kobel(*arguments, data, code=0):
    command = [binary(), "runtime", *arguments, "--data", data]
    ended = subprocess.run(
        command, env=client_environment(), capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S
    )
    assert ended.returncode == code, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def call(server, name):
    """The answer of a function that was not there before."""
    functions = Functions(server)
    functions.create(name, "index.handler", Runtime=VERSION, Code={"ZipFile": zipped({"index.py": CODE})})
    answer = functions.invoke(name, {"a": 1})
    assert answer.error is None, answer.log
    assert (answer.payload["event"], answer.payload["version"]) == ({"a": 1}, VERSION)
    return answer.payload


def left(data):
    """What is in the data folder of added runtimes."""
    parts = ("added", "folders", "images/roots", "images/layers", "images/aside")
    return [entry.name for part in parts if (data / "runtimes" / part).is_dir() for entry in (data / "runtimes" / part).iterdir()]


@pytest.fixture(scope="module")
def image():
    image = python_image()
    image.add({"marker": "of the image"})
    return image


@pytest.fixture
def python_folder(tmp_path):
    """A Python as one builds or unpacks it: a folder with `bin` and `lib`."""
    folder = tmp_path / "python"
    (folder / "bin").mkdir(parents=True)
    shutil.copy(PYTHON, folder / "bin" / VERSION)
    unneeded = shutil.ignore_patterns("test", "tests", "__pycache__", "idlelib", "lib2to3", "tkinter", "config-*")
    shutil.copytree(f"/usr/lib/{VERSION}", folder / "lib" / VERSION, symlinks=True, ignore=unneeded)
    (folder / "marker").write_text("of the folder")
    return folder


def test_a_running_server_takes_the_runtime_of_an_image_and_gives_it_back(fresh_server, image, tmp_path, name):
    before = call(fresh_server, name)
    assert not before["marked"] and before["host"]
    layout = image.write_layout(tmp_path / "layout")
    added = kobel("add", layout, data=fresh_server.data)
    assert f"Added {VERSION}" in added
    inside = call(fresh_server, f"{name}-2")
    assert inside["marked"] and not inside["host"], "it runs on the image's files"
    assert f"{VERSION:<16} added  oci:{layout}" in kobel("list", data=fresh_server.data)
    command = [binary(), "doctor", "--data", fresh_server.data]
    doctor = subprocess.run(command, env=client_environment(), capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S)
    assert f"{PYTHON} of an added image" in doctor.stdout
    fresh_server.restart()
    assert call(fresh_server, f"{name}-3")["marked"]
    removed = kobel("remove", VERSION, data=fresh_server.data)
    assert "its files go when Kobel stops" in removed
    assert Functions(fresh_server).invoke(f"{name}-3", {}).payload["marked"], "an environment keeps what it runs on"
    assert not call(fresh_server, f"{name}-4")["marked"]
    fresh_server.restart()
    assert left(fresh_server.data) == []


def test_a_folder_is_copied_and_serves_after_it_is_gone(tmp_path, python_folder, name):
    server = Server(tmp_path)
    added = kobel("add", python_folder, data=server.data)
    assert f"Added {VERSION}" in added
    shutil.rmtree(python_folder)
    listed = kobel("list", data=server.data)
    assert f"{VERSION:<16} added  {python_folder}" in listed
    assert f"{PYTHON} (the added one goes before it)" in listed or f"{VERSION:<16} host" in listed
    server.start()
    try:
        answer = call(server, name)
        assert answer["marked"] and answer["prefix"] == "/var/lang"
        server.stop()
    finally:
        if server.process.poll() is None:
            server.kill()
    assert "and its files" in kobel("remove", VERSION, data=server.data)
    assert left(server.data) == []


def test_an_archive_and_a_registry_bring_runtimes(tmp_path, image):
    archive = tmp_path / "image.tar"
    archive.write_bytes(image.saved())
    assert f"Added {VERSION}" in kobel("add", archive, data=tmp_path / "data")
    registry = Registry()
    registry.push("library/python", image, tag="1")
    with registry.serving():
        reference = f"{registry.host}/library/python:1"
        assert f"Added {VERSION}" in kobel("add", reference, data=tmp_path / "data")
        assert f"added  {reference}" in kobel("list", data=tmp_path / "data")
    roots = tmp_path / "data/runtimes/images/roots"
    assert len(list(roots.iterdir())) == 1, "the second takes the place of the first"


def ruby_image():
    folders = [folder for folder in ("/usr/lib/ruby", *glob.glob("/usr/lib/*/ruby")) if os.path.isdir(folder)]
    extensions = [str(path) for folder in folders for path in Path(folder).rglob("*.so")]
    image = program_image("/usr/bin/ruby", *extensions)
    image.layers += [folder_layer(folder, folder[1:]) for folder in folders]
    return image


def node_image():
    image = program_image("/usr/bin/node")
    # Where Debian has what other builds have inside.
    modules = [f"/usr/share/nodejs/{name}" for name in ("acorn", "acorn-walk", "cjs-module-lexer", "undici")]
    image.layers += [folder_layer(folder, folder[1:]) for folder in modules if os.path.isdir(folder)]
    return image


@pytest.mark.parametrize(
    ("image_of", "language", "handler", "asked"),
    [(ruby_image, "ruby", "handlers.echo", None), (node_image, "node", "index.marked", "--version")],
)
def test_other_languages_run_on_their_image_too(fresh_server, tmp_path, name, image_of, language, handler, asked):
    image = image_of()
    image.add({"marker": "of the image"})
    which = []
    if asked:
        # No headers are in the image, so that it has to be said.
        version = subprocess.run(["node", asked], capture_output=True, text=True, check=True).stdout
        which = ["--runtime", f"nodejs{version[1:].split('.')[0]}.x"]
    kobel("add", image.write_layout(tmp_path / "layout"), *which, data=fresh_server.data)
    functions = Functions(fresh_server)
    own = {"index.mjs": "import fs from 'fs'\nexport const marked = async () => fs.existsSync('/marker')"}
    code = {"Code": {"ZipFile": zipped(own)}} if language == "node" else {}
    functions.create(name, handler, language, **code)
    answer = functions.invoke(name, {"a": 1})
    assert answer.error is None, answer.log
    assert answer.payload == (True if language == "node" else {"a": 1})


def test_one_of_several_interpreters_is_named(tmp_path):
    files = {"usr/bin/python3.8": "", "usr/lib/python3.8/os.py": ""}
    files |= {"usr/local/bin/ruby": "", "usr/local/lib/ruby/3.4.0/set.rb": ""}
    layout = Image([layer(files)], {"Cmd": ["python3.8"]}).write_layout(tmp_path / "layout")
    data = tmp_path / "data"
    several = kobel("add", layout, data=data, code=1)
    assert "holds several interpreters (ruby3.4, python3.8); say which one with `--runtime`" in several
    assert "holds no nodejs20.x" in kobel("add", layout, "--runtime", "nodejs20.x", data=data, code=1)
    assert "Added ruby3.4" in kobel("add", layout, "--runtime", "ruby3.4", data=data)


def test_what_is_no_runtime_is_refused_and_leaves_nothing(tmp_path):
    data = tmp_path / "data"
    (tmp_path / "empty").mkdir()
    assert "holds no interpreter" in kobel("add", tmp_path / "empty", data=data, code=1)
    assert "is no image" in kobel("add", "./none", data=data, code=1)
    (tmp_path / "text.tar").write_text("no archive")
    assert "the image is not valid" in kobel("add", tmp_path / "text.tar", data=data, code=1)
    layout = Image([layer({"bin/sh": "no interpreter"})], {}).write_layout(tmp_path / "layout")
    assert "holds no interpreter" in kobel("add", layout, data=data, code=1)
    assert "python3.12 was not added" in kobel("remove", "python3.12", data=data, code=1)
    assert "runtime `cobol85` is not supported" in kobel("remove", "cobol85", data=data, code=1)
    assert left(data) == []
