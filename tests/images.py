"""Container images without a container engine: layers, OCI layouts, archives as `docker save` writes them, a registry."""

import base64
import gzip
import hashlib
import http.server
import io
import json
import os
import platform
import re
import subprocess
import tarfile
import threading
import urllib.parse
from contextlib import contextmanager
from dataclasses import dataclass, field

MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
BUSYBOX = "/bin/busybox"
"""Debian's busybox-static: a whole system in one file."""
APPLETS = ("cat", "echo", "id", "ls", "sed", "sh", "touch", "tr", "wget")
ENTRY = """#!/bin/sh
# Answers each event with it, the arguments, and what it sees of its surroundings.
api=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation
echo "booted with $*"
while wget -S -q -O /tmp/event $api/next 2>/tmp/headers; do
  id=$(sed -n 's/.*Lambda-Runtime-Aws-Request-Id: *//Ip' /tmp/headers | tr -d '\\r')
  touch /written 2>/dev/null && root=writable || root=read-only
  seen="\\"arguments\\":\\"$*\\",\\"handler\\":\\"$_HANDLER\\",\\"folder\\":\\"$PWD\\",\\"own\\":\\"$OWN\\",\\"stage\\":\\"$STAGE\\""
  answer="{\\"event\\":$(cat /tmp/event),$seen,\\"root\\":\\"$root\\",\\"version\\":\\"$(cat /version)\\"}"
  wget -q -O /dev/null --post-data "$answer" $api/$id/response
done
"""


def digest_of(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def layer(files):
    """A plain tar of `{path: bytes, text, or a link's target as Link}`; every file may be executed."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.mode = 0o755
            if isinstance(content, Link):
                entry.type, entry.linkname = tarfile.SYMTYPE, content
                archive.addfile(entry)
                continue
            content = content.encode() if isinstance(content, str) else content
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


class Link(str):
    """The target of a symbolic link."""


def folder_layer(path, prefix="", exclude=lambda _: False):
    """A plain tar of a folder of the host."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(path, prefix, filter=lambda entry: None if exclude(entry.name) else entry)
    return buffer.getvalue()


@dataclass
class Image:
    """An image: its layers as plain tars, and what it runs."""

    layers: list
    config: dict = field(default_factory=dict)
    architecture: str = MACHINE

    def add(self, files):
        """One more layer."""
        self.layers.append(layer(files))

    def _configuration(self):
        rootfs = {"type": "layers", "diff_ids": [digest_of(layer) for layer in self.layers]}
        content = {"architecture": self.architecture, "os": "linux", "config": self.config, "rootfs": rootfs}
        return json.dumps(content).encode()

    def blobs(self):
        """The manifest, and all blobs by digest; the manifest is one of them."""
        config = self._configuration()
        packed = [gzip.compress(layer, mtime=0, compresslevel=1) for layer in self.layers]
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {"mediaType": CONFIG, "digest": digest_of(config), "size": len(config)},
                "layers": [{"mediaType": LAYER, "digest": digest_of(blob), "size": len(blob)} for blob in packed],
            }
        ).encode()
        return manifest, {digest_of(blob): blob for blob in [config, *packed, manifest]}

    @property
    def digest(self):
        return digest_of(self.blobs()[0])

    def write_layout(self, folder, tag="latest"):
        """An OCI layout in a folder, as skopeo and buildah write it."""
        manifest, blobs = self.blobs()
        (folder / "blobs/sha256").mkdir(parents=True)
        for digest, blob in blobs.items():
            (folder / "blobs" / digest.replace(":", "/")).write_bytes(blob)
        (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        entry = {"mediaType": MANIFEST, "digest": digest_of(manifest), "size": len(manifest)}
        entry["annotations"] = {"org.opencontainers.image.ref.name": tag}
        (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
        return folder

    def saved(self):
        """The bytes of a tar as `docker save` writes it."""
        config = self._configuration()
        name = hashlib.sha256(config).hexdigest() + ".json"
        files = {name: config}
        files |= {f"{hashlib.sha256(layer).hexdigest()}/layer.tar": layer for layer in self.layers}
        manifest = [{"Config": name, "RepoTags": ["fn:latest"], "Layers": [*files][1:]}]
        return layer(files | {"manifest.json": json.dumps(manifest)})


def echo_image(version="1", **config):
    """A function that speaks the Runtime API by busybox alone; `version` tells two of them apart."""
    with open(BUSYBOX, "rb") as busybox:
        files = {"bin/busybox": busybox.read()}
    files |= {f"bin/{applet}": Link("busybox") for applet in APPLETS}
    files |= {"entry.sh": ENTRY, "work/here": ""}
    default = {"Entrypoint": ["/entry.sh"], "Cmd": ["app.handler"], "WorkingDir": "/work", "Env": ["OWN=image"]}
    return Image([layer(files), layer({"version": version})], default | config)


def python_image(*extensions):
    """An image with the host's Python and its modules. `extensions` are further modules whose libraries it is to have."""
    program = os.path.realpath("/usr/bin/python3")
    modules = f"/usr/lib/{os.path.basename(program)}"
    extensions += tuple(os.path.join(modules, "lib-dynload", name) for name in os.listdir(f"{modules}/lib-dynload"))
    image = program_image("/usr/bin/python3", *extensions)
    unneeded = re.compile(r"/(test|tests|__pycache__|idlelib|lib2to3|tkinter|turtledemo|ensurepip|config-[^/]*)(/|$)")
    image.layers.append(folder_layer(modules, modules[1:], lambda name: unneeded.search("/" + name)))
    return image


def program_image(path, *extensions):
    """An image with a program of the host and the libraries that it and `extensions` need."""
    program = os.path.realpath(path)
    linked = subprocess.run(["ldd", program, *extensions], capture_output=True, text=True, check=True).stdout
    libraries = {found for line in linked.splitlines() for found in re.findall(r"(/\S+) \(0x", line)}
    files = {library[1:]: _read(library) for library in sorted(libraries)} | {program[1:]: _read(program)}
    if program != path:
        files[path[1:]] = Link(program)
    return Image([layer(files)], {"Env": ["PATH=/usr/bin"]})


def _read(path):
    with open(path, "rb") as file:
        return file.read()


class Registry:
    """A registry that speaks the OCI distribution API, with tokens for those whom `password` lets in."""

    def __init__(self):
        self.blobs = {}
        self.tags = {}
        self.password = None
        self.stalls = threading.Event()
        """Set, a layer's second half never comes."""
        self.stalled, self.stalls_end = threading.Event(), threading.Event()
        self.asked = []
        """The paths that were asked for."""

    def push(self, name, image, tag="latest"):
        """Stores an image; returns its digest."""
        manifest, blobs = image.blobs()
        self.blobs |= blobs
        self.tags[name, tag] = manifest
        return digest_of(manifest)

    def push_index(self, name, images, tag="latest"):
        """Stores an index of `{architecture: image}`."""
        manifests = []
        for architecture, image in images.items():
            manifest, blobs = image.blobs()
            self.blobs |= blobs
            platform_ = {"os": "linux", "architecture": architecture}
            entry = {"mediaType": MANIFEST, "digest": digest_of(manifest), "size": len(manifest), "platform": platform_}
            manifests.append(entry)
        index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}).encode()
        self.blobs[digest_of(index)] = index
        self.tags[name, tag] = index

    @contextmanager
    def serving(self):
        """Serves on a free port; `host` is how images of it are named."""
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"registry": self}))
        self.host = f"127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.stalls_end.set()
            server.shutdown()
            server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    registry = None
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.registry.asked.append(self.path)
        path = urllib.parse.urlsplit(self.path).path
        if path == "/token":
            wanted = base64.b64encode(f"user:{self.registry.password}".encode()).decode()
            allowed = self.headers["Authorization"] == f"Basic {wanted}"
            return self._send(200, b'{"token": "pass"}') if allowed else self._send(401, b"{}")
        if self.registry.password and self.headers["Authorization"] != "Bearer pass":
            challenge = f'Bearer realm="http://{self.registry.host}/token",service="tests"'
            return self._send(401, b"{}", {"WWW-Authenticate": challenge})
        found = re.fullmatch(r"/v2/(?P<name>.+)/(?P<kind>manifests|blobs)/(?P<reference>[^/]+)", path)
        content = found and self._find(**found.groupdict())
        if content is None:
            return self._send(404, b'{"errors": [{"code": "MANIFEST_UNKNOWN"}]}')
        return self._send(200, content)

    def _find(self, name, kind, reference):
        if kind == "blobs" or reference.startswith("sha256:"):
            return self.registry.blobs.get(reference)
        return self.registry.tags.get((name, reference))

    def _send(self, status, content, headers=None):
        is_layer = content[:2] == b"\x1f\x8b"
        self.send_response(status)
        for header, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(header, value)
        self.end_headers()
        if is_layer and self.registry.stalls.is_set():
            self.wfile.write(content[: len(content) // 2])
            self.registry.stalled.set()
            return self.registry.stalls_end.wait()
        self.wfile.write(content)

    def log_message(self, *_):
        pass
