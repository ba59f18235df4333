"""What the tests of Lambda extensions share: the Extensions API from inside, and layers."""

from functions import zipped

API = r"""
import http.client, json, os

def call(method, path, body=None, **headers):
    api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    api.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = api.getresponse()
    text = answer.read().decode()
    return answer, json.loads(text) if text.startswith("{") else text

def extension(method, path, body=None, **headers):
    return call(method, "/2020-01-01/extension/" + path, body, **headers)

def register(name, *events, **headers):
    body = json.dumps({"events": events})
    answer, about = extension("POST", "register", body, Lambda_Extension_Name=name, **headers)
    assert answer.status == 200, about
    return answer.headers["Lambda-Extension-Identifier"], about

def next_event(identifier):
    return extension("GET", "event/next", Lambda_Extension_Identifier=identifier)

def told(path):
    # Waits until the test has put an object there.
    host = os.environ["AWS_ENDPOINT_URL"].removeprefix("http://")
    while True:
        s3 = http.client.HTTPConnection(host)
        s3.request("GET", path)
        if s3.getresponse().status == 200:
            return
"""
"""What functions and extensions of these tests begin with; `told` lets a test say when an extension goes on."""

EXTENSION = "#!/usr/bin/env python3\n" + API
"""What external extensions begin with."""


def layer(lambda_, name, files):
    return lambda_.publish_layer_version(LayerName=name, Content={"ZipFile": zipped(files)})["LayerVersionArn"]
