"""S3: buckets, objects, listing, multipart uploads, notifications."""

import hashlib
import json
import os

import pytest
import requests
from botocore.exceptions import ClientError

from kobel import arn
from waiting import receive


@pytest.fixture
def bucket(s3, name):
    s3.create_bucket(Bucket=name)
    return name


def code(error):
    return error.value.response["Error"]["Code"], error.value.response["ResponseMetadata"]["HTTPStatusCode"]


def test_buckets_are_created_listed_and_deleted(s3, name):
    assert s3.create_bucket(Bucket=name)["Location"] == f"/{name}"
    assert name in [b["Name"] for b in s3.list_buckets()["Buckets"]]
    assert s3.head_bucket(Bucket=name)["BucketRegion"] == "us-east-1"
    assert s3.get_bucket_location(Bucket=name)["LocationConstraint"] is None
    s3.delete_bucket(Bucket=name)
    with pytest.raises(ClientError) as error:
        s3.head_bucket(Bucket=name)
    assert code(error) == ("404", 404)


def test_creating_an_own_bucket_again_succeeds_in_us_east_1(s3, bucket):
    s3.create_bucket(Bucket=bucket)


def test_a_bucket_with_objects_is_not_deleted(s3, bucket):
    s3.put_object(Bucket=bucket, Key="a", Body=b"1")
    with pytest.raises(ClientError, match="The bucket you tried to delete is not empty") as error:
        s3.delete_bucket(Bucket=bucket)
    assert code(error) == ("BucketNotEmpty", 409)


@pytest.mark.parametrize("bad", ["Capital", "under_score", "192.168.1.1", "dots..dots"])
def test_an_invalid_bucket_name_is_refused(server, bad):
    # boto3 checks names itself, so a plain request is sent.
    reply = requests.put(f"{server.endpoint}/{bad}", timeout=10)
    assert reply.status_code == 400
    assert "<Code>InvalidBucketName</Code>" in reply.text
    assert "The specified bucket is not valid." in reply.text


def test_an_object_is_read_back_with_its_metadata(s3, bucket):
    body = os.urandom(100_000)
    put = s3.put_object(Bucket=bucket, Key="a/b c+d.bin", Body=body, ContentType="image/x", Metadata={"Nut": "hazel"})
    etag = f'"{hashlib.md5(body).hexdigest()}"'
    assert put["ETag"] == etag
    got = s3.get_object(Bucket=bucket, Key="a/b c+d.bin")
    assert got["Body"].read() == body
    assert (got["ContentType"], got["Metadata"], got["ETag"]) == ("image/x", {"nut": "hazel"}, etag)
    assert got["AcceptRanges"] == "bytes"
    assert got["ServerSideEncryption"] == "AES256"
    head = s3.head_object(Bucket=bucket, Key="a/b c+d.bin")
    assert (head["ContentLength"], head["ETag"]) == (100_000, etag)


def test_an_object_without_a_type_is_binary(s3, server, bucket):
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "plain"})
    assert requests.put(url, data=b"x", timeout=10).status_code == 200
    assert s3.head_object(Bucket=bucket, Key="plain")["ContentType"] == "binary/octet-stream"


def test_an_empty_object_is_stored(s3, bucket):
    s3.put_object(Bucket=bucket, Key="empty", Body=b"")
    assert s3.get_object(Bucket=bucket, Key="empty")["Body"].read() == b""


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [("bytes=0-4", 0, 4), ("bytes=5-", 5, 9), ("bytes=-3", 7, 9), ("bytes=8-100", 8, 9)],
)
def test_a_range_is_answered_with_206(s3, bucket, asked, start, end):
    s3.put_object(Bucket=bucket, Key="digits", Body=b"0123456789")
    got = s3.get_object(Bucket=bucket, Key="digits", Range=asked)
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert got["ContentRange"] == f"bytes {start}-{end}/10"
    assert got["Body"].read() == b"0123456789"[start : end + 1]


def test_a_range_past_the_end_is_refused(s3, bucket):
    s3.put_object(Bucket=bucket, Key="digits", Body=b"0123456789")
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket=bucket, Key="digits", Range="bytes=10-")
    assert code(error) == ("InvalidRange", 416)


def test_a_missing_key_and_a_missing_bucket_are_told_apart(s3, bucket):
    with pytest.raises(ClientError, match="The specified key does not exist.") as error:
        s3.get_object(Bucket=bucket, Key="nothing")
    assert code(error) == ("NoSuchKey", 404)
    assert error.value.response["Error"]["Key"] == "nothing"
    with pytest.raises(ClientError, match="The specified bucket does not exist") as error:
        s3.get_object(Bucket=f"{bucket}-none", Key="nothing")
    assert code(error) == ("NoSuchBucket", 404)
    assert error.value.response["Error"]["BucketName"] == f"{bucket}-none"


def test_conditions_are_honoured(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["ETag"]
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfNoneMatch="*")
    assert code(error) == ("PreconditionFailed", 412)
    s3.put_object(Bucket=bucket, Key="k", Body=b"3", IfMatch=etag)
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket=bucket, Key="k", IfMatch=etag)
    assert code(error) == ("PreconditionFailed", 412)
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket=bucket, Key="k", IfNoneMatch=s3.head_object(Bucket=bucket, Key="k")["ETag"])
    assert code(error)[1] == 304


def test_an_object_is_copied_with_or_without_its_metadata(s3, bucket):
    s3.put_object(Bucket=bucket, Key="from here", Body=b"nut", Metadata={"k": "v"})
    copied = s3.copy_object(Bucket=bucket, Key="kept", CopySource={"Bucket": bucket, "Key": "from here"})
    assert copied["CopyObjectResult"]["ETag"] == f'"{hashlib.md5(b"nut").hexdigest()}"'
    assert s3.head_object(Bucket=bucket, Key="kept")["Metadata"] == {"k": "v"}
    s3.copy_object(
        Bucket=bucket,
        Key="replaced",
        CopySource={"Bucket": bucket, "Key": "from here"},
        MetadataDirective="REPLACE",
        Metadata={"n": "w"},
    )
    got = s3.get_object(Bucket=bucket, Key="replaced")
    assert (got["Body"].read(), got["Metadata"]) == (b"nut", {"n": "w"})


def test_deleting_answers_204_also_for_a_missing_key(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    for _ in range(2):
        assert s3.delete_object(Bucket=bucket, Key="k")["ResponseMetadata"]["HTTPStatusCode"] == 204


def test_many_objects_are_deleted_at_once(s3, bucket):
    for key in "abc":
        s3.put_object(Bucket=bucket, Key=key, Body=b"1")
    objects = [{"Key": k} for k in ("a", "b", "missing")]
    reply = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects})
    assert sorted(d["Key"] for d in reply["Deleted"]) == ["a", "b", "missing"]
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["c"]
    quiet = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "c"}], "Quiet": True})
    assert "Deleted" not in quiet


class TestListing:
    KEYS = ["a.txt", "dir/1", "dir/2", "dir/sub/3", "é.txt", "z.txt"]

    @pytest.fixture
    def filled(self, s3, bucket):
        for key in reversed(self.KEYS):
            s3.put_object(Bucket=bucket, Key=key, Body=b"12345")
        return bucket

    def test_keys_come_in_byte_order(self, s3, filled):
        listed = s3.list_objects_v2(Bucket=filled)
        assert [o["Key"] for o in listed["Contents"]] == sorted(self.KEYS, key=str.encode)
        assert (listed["KeyCount"], listed["IsTruncated"], listed["Contents"][0]["Size"]) == (6, False, 5)

    def test_a_delimiter_rolls_keys_up(self, s3, filled):
        listed = s3.list_objects_v2(Bucket=filled, Delimiter="/")
        assert [p["Prefix"] for p in listed["CommonPrefixes"]] == ["dir/"]
        assert [o["Key"] for o in listed["Contents"]] == ["a.txt", "z.txt", "é.txt"]
        below = s3.list_objects_v2(Bucket=filled, Delimiter="/", Prefix="dir/")
        assert [p["Prefix"] for p in below["CommonPrefixes"]] == ["dir/sub/"]
        assert [o["Key"] for o in below["Contents"]] == ["dir/1", "dir/2"]

    def test_pages_cover_everything_once(self, s3, filled):
        pages = list(
            s3.get_paginator("list_objects_v2").paginate(
                Bucket=filled, Delimiter="/", PaginationConfig={"PageSize": 1}
            )
        )
        assert [p["KeyCount"] for p in pages] == [1, 1, 1, 1]
        keys = [o["Key"] for p in pages for o in p.get("Contents", [])]
        prefixes = [o["Prefix"] for p in pages for o in p.get("CommonPrefixes", [])]
        assert (keys, prefixes) == (["a.txt", "z.txt", "é.txt"], ["dir/"])

    def test_the_first_version_pages_by_marker(self, s3, filled):
        pages = s3.get_paginator("list_objects").paginate(Bucket=filled, PaginationConfig={"PageSize": 2})
        keys = [o["Key"] for p in pages for o in p["Contents"]]
        assert keys == sorted(self.KEYS, key=str.encode)

    def test_start_after_skips(self, s3, filled):
        listed = s3.list_objects_v2(Bucket=filled, StartAfter="dir/2")
        assert listed["Contents"][0]["Key"] == "dir/sub/3"

    def test_a_wrong_token_is_refused(self, s3, filled):
        with pytest.raises(ClientError, match="The continuation token provided is incorrect") as error:
            s3.list_objects_v2(Bucket=filled, ContinuationToken="nonsense")
        assert code(error) == ("InvalidArgument", 400)


class TestMultipart:
    PART = 5 * 1024 * 1024

    def test_parts_become_one_object(self, s3, bucket):
        upload = s3.create_multipart_upload(Bucket=bucket, Key="big", ContentType="x/y")["UploadId"]
        bodies = [os.urandom(self.PART), b"tail"]
        parts = []
        for number, body in enumerate(bodies, 1):
            part = s3.upload_part(Bucket=bucket, Key="big", UploadId=upload, PartNumber=number, Body=body)
            parts.append({"PartNumber": number, "ETag": part["ETag"]})
        assert [p["PartNumber"] for p in s3.list_parts(Bucket=bucket, Key="big", UploadId=upload)["Parts"]] == [1, 2]
        done = s3.complete_multipart_upload(
            Bucket=bucket, Key="big", UploadId=upload, MultipartUpload={"Parts": parts}
        )
        digest = hashlib.md5(b"".join(hashlib.md5(b).digest() for b in bodies)).hexdigest()
        assert done["ETag"] == f'"{digest}-2"'
        got = s3.get_object(Bucket=bucket, Key="big")
        assert got["ContentType"] == "x/y"
        assert got["Body"].read() == b"".join(bodies)

    def test_a_small_part_that_is_not_the_last_is_refused(self, s3, bucket):
        upload = s3.create_multipart_upload(Bucket=bucket, Key="big")["UploadId"]
        parts = []
        for number in (1, 2):
            part = s3.upload_part(Bucket=bucket, Key="big", UploadId=upload, PartNumber=number, Body=b"small")
            parts.append({"PartNumber": number, "ETag": part["ETag"]})
        with pytest.raises(ClientError) as error:
            s3.complete_multipart_upload(Bucket=bucket, Key="big", UploadId=upload, MultipartUpload={"Parts": parts})
        assert code(error) == ("EntityTooSmall", 400)

    def test_wrong_parts_and_order_are_refused(self, s3, bucket):
        upload = s3.create_multipart_upload(Bucket=bucket, Key="big")["UploadId"]
        tag = s3.upload_part(Bucket=bucket, Key="big", UploadId=upload, PartNumber=1, Body=b"x")["ETag"]

        def complete(*parts):
            listed = [{"PartNumber": n, "ETag": t} for n, t in parts]
            return s3.complete_multipart_upload(
                Bucket=bucket, Key="big", UploadId=upload, MultipartUpload={"Parts": listed}
            )

        with pytest.raises(ClientError) as error:
            complete((2, tag))
        assert code(error) == ("InvalidPart", 400)
        with pytest.raises(ClientError) as error:
            complete((2, tag), (1, tag))
        assert code(error) == ("InvalidPartOrder", 400)

    def test_an_aborted_upload_is_gone(self, s3, bucket):
        upload = s3.create_multipart_upload(Bucket=bucket, Key="big")["UploadId"]
        assert [u["UploadId"] for u in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == [upload]
        s3.abort_multipart_upload(Bucket=bucket, Key="big", UploadId=upload)
        with pytest.raises(ClientError) as error:
            s3.upload_part(Bucket=bucket, Key="big", UploadId=upload, PartNumber=1, Body=b"x")
        assert code(error) == ("NoSuchUpload", 404)

    def test_the_cli_moves_a_large_file_both_ways(self, server, s3, bucket, tmp_path):
        (tmp_path / "up").write_bytes(os.urandom(18 * 1024 * 1024))
        server.aws("s3", "cp", tmp_path / "up", f"s3://{bucket}/large")
        assert s3.head_object(Bucket=bucket, Key="large")["ETag"].endswith('-3"')
        server.aws("s3", "cp", f"s3://{bucket}/large", tmp_path / "down")
        assert (tmp_path / "down").read_bytes() == (tmp_path / "up").read_bytes()


class TestNotifications:
    @pytest.fixture
    def queue(self, sqs, name):
        policy = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage"}
        document = {"Version": "2012-10-17", "Statement": [policy | {"Resource": arn("sqs", name)}]}
        return sqs.create_queue(QueueName=name, Attributes={"Policy": json.dumps(document)})["QueueUrl"]

    @staticmethod
    def configuration(name, prefix="in/", suffix=".txt", events=("s3:ObjectCreated:*", "s3:ObjectRemoved:*")):
        rules = [{"Name": "prefix", "Value": prefix}, {"Name": "suffix", "Value": suffix}]
        rule = {"Id": "r", "QueueArn": arn("sqs", name), "Events": list(events)}
        return {"QueueConfigurations": [rule | {"Filter": {"Key": {"FilterRules": rules}}}]}

    def test_matching_objects_are_announced(self, s3, sqs, bucket, queue, name):
        s3.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration=self.configuration(name)
        )
        test = json.loads(receive(sqs, queue)[0]["Body"])
        assert (test["Event"], test["Bucket"], test["Service"]) == ("s3:TestEvent", bucket, "Amazon S3")
        s3.put_object(Bucket=bucket, Key="out/no.txt", Body=b"1")
        s3.put_object(Bucket=bucket, Key="in/no.bin", Body=b"1")
        s3.put_object(Bucket=bucket, Key="in/a b@c.txt", Body=b"123")
        (record,) = json.loads(receive(sqs, queue)[0]["Body"])["Records"]
        assert (record["eventSource"], record["eventName"]) == ("aws:s3", "ObjectCreated:Put")
        assert record["eventVersion"] == "2.1"
        assert record["s3"]["configurationId"] == "r"
        assert record["s3"]["bucket"]["arn"] == f"arn:aws:s3:::{bucket}"
        assert record["s3"]["object"]["key"] == "in/a+b%40c.txt"
        assert record["s3"]["object"]["size"] == 3
        assert record["s3"]["object"]["eTag"] == hashlib.md5(b"123").hexdigest()
        s3.delete_object(Bucket=bucket, Key="in/a b@c.txt")
        (record,) = json.loads(receive(sqs, queue)[0]["Body"])["Records"]
        assert record["eventName"] == "ObjectRemoved:Delete"
        assert set(record["s3"]["object"]) == {"key", "sequencer"}

    def test_the_configuration_is_read_back(self, s3, bucket, queue, name):
        s3.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration=self.configuration(name)
        )
        (got,) = s3.get_bucket_notification_configuration(Bucket=bucket)["QueueConfigurations"]
        assert got["Id"] == "r"
        assert got["Filter"]["Key"]["FilterRules"] == [
            {"Name": "Prefix", "Value": "in/"},
            {"Name": "Suffix", "Value": ".txt"},
        ]

    def test_a_missing_queue_is_refused(self, s3, bucket, name):
        with pytest.raises(ClientError, match="Unable to validate the following destination configurations") as error:
            s3.put_bucket_notification_configuration(
                Bucket=bucket, NotificationConfiguration=self.configuration(f"{name}-none")
            )
        assert code(error) == ("InvalidArgument", 400)

    def test_overlapping_rules_are_refused(self, s3, bucket, queue, name):
        rules = self.configuration(name, suffix="")["QueueConfigurations"]
        twice = [rules[0] | {"Id": "1"}, rules[0] | {"Id": "2"}]
        with pytest.raises(ClientError, match="Configuration is ambiguously defined.") as error:
            s3.put_bucket_notification_configuration(
                Bucket=bucket, NotificationConfiguration={"QueueConfigurations": twice}
            )
        assert code(error) == ("InvalidArgument", 400)
