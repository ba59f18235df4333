"""The admin API: open to this machine's operator, closed to other sites' pages and to functions."""

import pytest
import requests

from functions import zipped

HANDLER = """
import os
import urllib.error
import urllib.request

def status(path):
    try:
        return urllib.request.urlopen(os.environ["AWS_ENDPOINT_URL"] + path, timeout=5).status
    except urllib.error.HTTPError as error:
        return error.code

def ask(event, context):
    return {path: status(path) for path in event}
"""


@pytest.mark.parametrize(
    "headers",
    [{"Host": "rebound.example:80"}, {"Origin": "http://other.example"}, {"Origin": "null"}],
    ids=["name", "origin", "sandboxed page"],
)
def test_pages_of_other_sites_are_refused(server, headers):
    for call in (requests.get, requests.post):
        reply = call(f"{server.endpoint}/_kobel/time", headers=headers, timeout=10)
        assert (reply.status_code, "admin API" in reply.json()["message"]) == (403, True)


def test_this_machine_is_answered(server):
    for host in ("127.0.0.1", "localhost"):
        headers = {"Host": f"{host}:{server.port}", "Origin": f"http://{host}:{server.port}"}
        assert requests.get(f"{server.endpoint}/_kobel/time", headers=headers, timeout=10).status_code == 200


def test_functions_reach_packages_only(server, functions, name):
    functions.create(name, "probe.ask", Code={"ZipFile": zipped({"probe.py": HANDLER})})
    location = functions.lambda_.get_function(FunctionName=name)["Code"]["Location"]
    package = "/_kobel/code/" + location.rsplit("/", 1)[1]
    answers = functions.invoke(name, ["/_kobel/time", "/_kobel/events", package]).payload
    assert answers == {"/_kobel/time": 403, "/_kobel/events": 403, package: 200}
