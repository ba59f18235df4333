"""The AWS SDK that a function finds in its runtime: cold starts that find it loaded are like any other."""

import pytest

from functions import zipped
from waiting import wait_until

PYTHON = """
import sys
ahead = "boto3" in sys.modules
import boto3, os

# Debian's boto3 does not know the variable itself.
endpoint = {"endpoint_url": os.environ["AWS_ENDPOINT_URL"]}

def handler(event, context):
    s3 = boto3.client("s3", **endpoint)
    s3.put_object(Bucket=event["bucket"], Key=event["key"], Body=os.environ["WHICH"].encode())
    return {"ahead": ahead, "caller": boto3.client("sts", **endpoint).get_caller_identity()["Arn"], "which": os.environ["WHICH"]}
"""
NODE = """
const ahead = Object.keys(require.cache).some((file) => file.includes("/@aws-sdk/client-s3/"));
const { S3Client, PutObjectCommand } = require("@aws-sdk/client-s3");

exports.handler = async ({ bucket, key }) => {
  const s3 = new S3Client({ forcePathStyle: true });
  await s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: process.env.WHICH }));
  return { ahead, which: process.env.WHICH };
};
"""


SOURCES = {"python": {"app.py": PYTHON}, "node": {"app.js": NODE}}


@pytest.mark.parametrize("language", SOURCES)
def test_a_function_uses_the_sdk_of_its_runtime(server, functions, s3, name, language):
    s3.create_bucket(Bucket=name)
    functions.create(name, "app.handler", language, Code={"ZipFile": zipped(SOURCES[language])}, MemorySize=512)
    starts = iter(range(1_000))

    def cold_start():
        """Each change of the configuration needs a new environment."""
        which = str(next(starts))
        functions.lambda_.update_function_configuration(FunctionName=name, Environment={"Variables": {"WHICH": which}})
        functions.wait_active(name)
        done = functions.invoke(name, {"bucket": name, "key": which})
        assert (done.error, done.payload.get("which")) == (None, which), done.payload
        assert s3.get_object(Bucket=name, Key=which)["Body"].read() == which.encode()
        if language == "python":
            assert done.payload["caller"].endswith(f"/{name}")
        return done.payload["ahead"]

    assert not cold_start()
    wait_until(cold_start, timeout_s=60, what="a cold start that finds the SDK loaded")
    assert cold_start()
