"""The wire: protocols, validation, checksums, presigned URLs, what is not implemented."""

import base64
import hashlib
import http.client
import json
import re
import socket
import zlib

import pytest
import requests
from botocore.exceptions import ClientError

from functions import package
from kobel import ACCOUNT, REGION

UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


@pytest.fixture
def bucket(s3, name):
    s3.create_bucket(Bucket=name)
    return name


def signed(service):
    """A header that names the service, as an SDK's signature does; the local server checks no signature."""
    scope = f"test/20260101/{REGION}/{service}/aws4_request"
    return {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={'0' * 64}"}


def crc32(body):
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


class TestValidation:
    @pytest.fixture
    def loose(self, server):
        """Clients that leave all checks to the server."""
        return lambda service: server.client(service, parameter_validation=False)

    def test_several_errors_come_at_once(self, loose):
        with pytest.raises(ClientError) as error:
            loose("lambda").create_function(
                FunctionName="f",
                Role="arn:aws:iam::000000000000:role/r",
                Runtime="python3.11",
                Handler="a.b",
                Code={"ZipFile": b"x"},
                Timeout=0,
                MemorySize=1,
            )
        assert error.value.response["Error"]["Code"] == "ValidationException"
        text = error.value.response["Error"]["Message"]
        assert text.startswith("2 validation errors detected: Value '")
        assert "; Value '" in text
        for member, value, bound in (("timeout", 0, 1), ("memorySize", 1, 128)):
            assert (
                f"Value '{value}' at '{member}' failed to satisfy constraint: "
                f"Member must have value greater than or equal to {bound}"
            ) in text

    def test_a_pattern_is_told(self, loose):
        with pytest.raises(ClientError) as error:
            loose("lambda").create_function(FunctionName="f", Role="nobody", Code={"ZipFile": b"x"})
        text = error.value.response["Error"]["Message"]
        assert text.startswith("1 validation error detected: Value 'nobody' at 'role' failed to satisfy constraint: ")
        assert "Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\\d{12}:role/?" in text

    def test_a_missing_member_is_null(self, loose):
        with pytest.raises(ClientError) as error:
            loose("logs").create_log_group()
        assert error.value.response["Error"]["Message"] == (
            "1 validation error detected: Value null at 'logGroupName' failed to satisfy constraint: "
            "Member must not be null"
        )

    def test_a_length_is_told_in_the_query_protocol(self, loose):
        with pytest.raises(ClientError) as error:
            loose("iam").get_role(RoleName="x" * 65)
        assert error.value.response["Error"]["Code"] == "ValidationError"
        assert error.value.response["Error"]["Message"] == (
            f"1 validation error detected: Value '{'x' * 65}' at 'roleName' failed to satisfy constraint: "
            "Member must have length less than or equal to 64"
        )

    def test_an_enum_is_told(self, loose, functions, name):
        functions.create(name)
        with pytest.raises(ClientError, match=r"Member must satisfy enum value set: \[") as error:
            loose("lambda").invoke(FunctionName=name, InvocationType="Later")
        assert "Value 'Later' at 'invocationType'" in str(error.value)


class TestWhatIsNotHonoured:
    def test_a_member_is_reported_in_a_header(self, lambda_, server, name):
        reply = lambda_.create_function(
            FunctionName=name,
            Role=server.role(),
            Runtime="python3.11",
            Handler="handlers.echo",
            Code={"ZipFile": package("python")},
            CodeSigningConfigArn=f"arn:aws:lambda:{REGION}:{ACCOUNT}:code-signing-config:csc-0123456789abcdef0",
        )
        assert "CodeSigningConfigArn" in reply["ResponseMetadata"]["HTTPHeaders"]["x-kobel-ignored"]
        assert "CodeSigningConfigArn" in server.log_tail(100_000)

    def test_nothing_is_reported_where_all_is_honoured(self, sqs, name):
        reply = sqs.create_queue(QueueName=name)
        assert "x-kobel-ignored" not in reply["ResponseMetadata"]["HTTPHeaders"]

    @pytest.mark.parametrize(
        ("service", "method", "arguments", "operation"),
        [
            ("lambda", "get_function_scaling_config", {"FunctionName": "f", "Qualifier": "1"}, "GetFunctionScalingConfig"),
            ("s3", "get_bucket_website", {"Bucket": "b"}, "GetBucketWebsite"),
            ("sns", "create_platform_application", {"Name": "n", "Platform": "GCM", "Attributes": {}}, "CreatePlatformApplication"),
            ("logs", "start_query", {"startTime": 0, "endTime": 1, "queryString": "fields @message"}, "StartQuery"),
            ("iam", "create_group", {"GroupName": "g"}, "CreateGroup"),
            ("sts", "get_federation_token", {"Name": "nn"}, "GetFederationToken"),
            ("cloudformation", "detect_stack_drift", {"StackName": "s"}, "DetectStackDrift"),
        ],
        ids=["lambda", "s3", "sns", "logs", "iam", "sts", "cloudformation"],
    )  # fmt: skip
    def test_an_operation_is_answered_with_501_and_its_name(self, server, service, method, arguments, operation):
        with pytest.raises(ClientError) as error:
            getattr(server.client(service), method)(**arguments)
        response = error.value.response
        assert response["ResponseMetadata"]["HTTPStatusCode"] == 501
        assert response["Error"]["Code"] == "NotImplemented"
        assert operation in response["Error"]["Message"]

    def test_a_service_is_named_too(self, server):
        with pytest.raises(ClientError) as error:
            server.client("dynamodb").list_tables()
        assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
        assert "dynamodb" in str(error.value).lower()


class TestHeaders:
    def test_each_service_names_its_request(self, sqs, s3, sts):
        for call in (sqs.list_queues, sts.get_caller_identity):
            headers = call()["ResponseMetadata"]["HTTPHeaders"]
            assert re.fullmatch(UUID, headers["x-amzn-requestid"])
            assert "date" in headers
        headers = s3.list_buckets()["ResponseMetadata"]["HTTPHeaders"]
        assert {"x-amz-request-id", "x-amz-id-2", "date"} <= set(headers)

    def test_a_connection_is_kept(self, server):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        ports = set()
        for _ in range(3):
            connection.request("GET", "/_kobel/health")
            assert json.loads(connection.getresponse().read()) == {"status": "ready"}
            ports.add(connection.sock.getsockname())
        connection.close()
        assert len(ports) == 1

    def test_an_error_of_rest_json_has_its_type(self, server):
        url = f"{server.endpoint}/2015-03-31/functions/none"
        reply = requests.get(url, headers=signed("lambda"), timeout=10)
        assert reply.status_code == 404
        assert reply.headers["x-amzn-ErrorType"].split(":")[0] == "ResourceNotFoundException"
        assert reply.json()["Type"] == "User"


class TestQueryProtocolOfSqs:
    def call(self, url, **form):
        return requests.post(url, data={"Version": "2012-11-05"} | form, headers=signed("sqs"), timeout=10)

    def test_messages_go_through(self, server, name):
        created = self.call(server.endpoint, Action="CreateQueue", QueueName=name)
        assert created.headers["content-type"].startswith("text/xml")
        assert "<CreateQueueResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\">" in created.text
        url = f"{server.endpoint}/{ACCOUNT}/{name}"
        assert f"<QueueUrl>{url}</QueueUrl>" in created.text
        sent = self.call(
            url,
            **{
                "Action": "SendMessage",
                "MessageBody": "a & b",
                "MessageAttribute.1.Name": "k",
                "MessageAttribute.1.Value.DataType": "String",
                "MessageAttribute.1.Value.StringValue": "v",
            },
        )
        assert f"<MD5OfMessageBody>{hashlib.md5(b'a & b').hexdigest()}</MD5OfMessageBody>" in sent.text
        received = self.call(
            url, **{"Action": "ReceiveMessage", "AttributeName.1": "All", "MessageAttributeName.1": "All"}
        )
        assert "<Body>a &amp; b</Body>" in received.text
        assert "<MessageAttribute><Name>k</Name><Value><StringValue>v</StringValue>" in received.text.replace(
            "<DataType>String</DataType>", ""
        )

    def test_an_error_is_xml(self, server, name):
        reply = self.call(f"{server.endpoint}/{ACCOUNT}/{name}", Action="SendMessage", MessageBody="x")
        assert reply.status_code == 400
        assert "<Type>Sender</Type><Code>AWS.SimpleQueueService.NonExistentQueue</Code>" in reply.text

    def test_json_carries_the_code_of_the_query_protocol(self, server, name):
        headers = signed("sqs") | {
            "X-Amz-Target": "AmazonSQS.GetQueueUrl",
            "Content-Type": "application/x-amz-json-1.0",
        }
        reply = requests.post(server.endpoint, json={"QueueName": name}, headers=headers, timeout=10)
        assert reply.headers["x-amzn-query-error"] == "AWS.SimpleQueueService.NonExistentQueue;Sender"
        assert reply.json()["__type"] == "com.amazonaws.sqs#QueueDoesNotExist"

    def test_a_body_that_is_no_json_is_a_client_error(self, server):
        headers = signed("sqs") | {"X-Amz-Target": "AmazonSQS.ListQueues"}
        headers["Content-Type"] = "application/x-amz-json-1.0"
        reply = requests.post(server.endpoint, data="{", headers=headers, timeout=10)
        assert reply.status_code == 400
        assert "SerializationException" in reply.json()["__type"]


class TestPresignedUrls:
    def test_put_and_get(self, s3, bucket):
        params = {"Bucket": bucket, "Key": "a b/ü+.txt"}
        assert requests.put(s3.generate_presigned_url("put_object", params), data=b"nut", timeout=10).ok
        url = s3.generate_presigned_url("get_object", params | {"ResponseContentType": "text/nut"})
        got = requests.get(url, timeout=10)
        assert (got.content, got.headers["content-type"]) == (b"nut", "text/nut")

    def test_an_expired_url_is_refused(self, s3, bucket):
        s3.put_object(Bucket=bucket, Key="k", Body=b"x")
        url = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "k"}, ExpiresIn=60)
        # boto3 signs by version 2 where no region is configured for the client's own signature version.
        old = re.sub(r"X-Amz-Date=\d{8}T", "X-Amz-Date=20200101T", re.sub(r"Expires=\d{10}", "Expires=1600000000", url))
        reply = requests.get(old, timeout=10)
        assert (reply.status_code, "<Message>Request has expired</Message>" in reply.text) == (403, True)


class TestChunkedUploads:
    def put(self, server, bucket, body, headers):
        return requests.put(
            f"{server.endpoint}/{bucket}/chunked", data=body, headers=signed("s3") | headers, timeout=10
        )

    def unsigned(self, checksum):
        body = f"5\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32:{checksum}\r\n\r\n".encode()
        return body, {
            "Content-Encoding": "aws-chunked",
            "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            "x-amz-decoded-content-length": "11",
            "x-amz-trailer": "x-amz-checksum-crc32",
        }

    def test_unsigned_chunks_with_a_trailer(self, server, s3, bucket):
        assert self.put(server, bucket, *self.unsigned(crc32(b"hello world"))).status_code == 200
        got = s3.get_object(Bucket=bucket, Key="chunked", ChecksumMode="ENABLED")
        assert got["Body"].read() == b"hello world"
        assert got["ChecksumCRC32"] == crc32(b"hello world")
        assert "aws-chunked" not in got.get("ContentEncoding", "")

    def test_a_wrong_trailer_stores_nothing(self, server, s3, bucket):
        reply = self.put(server, bucket, *self.unsigned(crc32(b"other")))
        assert (reply.status_code, "<Code>BadDigest</Code>" in reply.text) == (400, True)
        with pytest.raises(s3.exceptions.NoSuchKey):
            s3.get_object(Bucket=bucket, Key="chunked")

    def test_signed_chunks(self, server, s3, bucket):
        signature = f";chunk-signature={'0' * 64}\r\n"
        body = f"b{signature}hello world\r\n0{signature}\r\n".encode()
        headers = {
            "Content-Encoding": "aws-chunked,gzip",
            "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            "x-amz-decoded-content-length": "11",
        }
        assert self.put(server, bucket, body, headers).status_code == 200
        got = s3.get_object(Bucket=bucket, Key="chunked")
        assert (got["Body"].read(), got["ContentEncoding"]) == (b"hello world", "gzip")

    def test_a_body_that_ends_early_stores_nothing(self, server, s3, bucket):
        body, headers = self.unsigned(crc32(b"hello world"))
        reply = self.put(server, bucket, body[:9], headers)
        assert (reply.status_code, "<Code>IncompleteBody</Code>" in reply.text) == (400, True)
        with pytest.raises(s3.exceptions.NoSuchKey):
            s3.get_object(Bucket=bucket, Key="chunked")


class TestChecksums:
    @pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
    def test_a_checksum_is_kept(self, s3, bucket, algorithm):
        put = s3.put_object(Bucket=bucket, Key="k", Body=b"acorn", ChecksumAlgorithm=algorithm)
        head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
        assert put[f"Checksum{algorithm}"] == head[f"Checksum{algorithm}"]
        assert head["ChecksumType"] == "FULL_OBJECT"

    def test_a_wrong_checksum_is_refused(self, s3, bucket):
        with pytest.raises(ClientError, match="The CRC32 you specified did not match the calculated checksum.") as error:
            s3.put_object(Bucket=bucket, Key="k", Body=b"acorn", ChecksumCRC32=crc32(b"beech"))
        assert error.value.response["Error"]["Code"] == "BadDigest"

    def test_a_wrong_md5_is_refused(self, s3, bucket):
        md5 = base64.b64encode(hashlib.md5(b"beech").digest()).decode()
        with pytest.raises(ClientError) as error:
            s3.put_object(Bucket=bucket, Key="k", Body=b"acorn", ContentMD5=md5)
        assert error.value.response["Error"]["Code"] == "BadDigest"


def test_a_bucket_may_be_in_the_host_name(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"hosted")
    headers = signed("s3") | {"Host": f"{bucket}.s3.{REGION}.amazonaws.com"}
    assert requests.get(f"{server.endpoint}/k", headers=headers, timeout=10).content == b"hosted"


def test_a_large_upload_streams(server, s3, bucket):
    """The body is many times larger than what the server may grow by."""
    mib = 1024 * 1024
    size, growth_max = 128 * mib, 48 * mib
    before = peak_memory(server.process.pid)
    headers = signed("s3") | {"Content-Length": str(size), "x-amz-content-sha256": "UNSIGNED-PAYLOAD"}
    body = (bytes(mib) for _ in range(size // mib))
    reply = requests.put(f"{server.endpoint}/{bucket}/large", data=Sized(body, size), headers=headers, timeout=60)
    assert reply.status_code == 200
    received = sum(len(chunk) for chunk in s3.get_object(Bucket=bucket, Key="large")["Body"].iter_chunks(mib))
    assert received == size
    assert peak_memory(server.process.pid) - before < growth_max


class Sized:
    """An iterable body of a known length, so that it is not sent in HTTP chunks."""

    def __init__(self, chunks, size):
        self.chunks, self.size = chunks, size

    def __len__(self):
        return self.size

    def __iter__(self):
        return self.chunks


def peak_memory(pid):
    with open(f"/proc/{pid}/status") as status:
        (line,) = [line for line in status if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def test_a_request_that_is_no_http_harms_nobody(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(b"\x16\x03\x01nonsense\r\n\r\n")
        connection.recv(1024)
    assert server.admin("health") == {"status": "ready"}


def test_json_numbers_and_text_survive(functions, name):
    functions.create(name)
    event = {"big": 12345678901234567890, "float": 1e-7, "text": "\u0000\u2028\U0001f43f"}
    done = functions.invoke(name, event)
    assert json.dumps(done.payload, sort_keys=True) == json.dumps(event, sort_keys=True)
