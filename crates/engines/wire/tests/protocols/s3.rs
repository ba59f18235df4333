use std::sync::Arc;

use bytes::Bytes;
use model_s3::{
    CommonPrefix, CopyObjectOutput, CopyObjectResult, DeleteObjectsOutput, DeletedObject, GetBucketLocationOutput,
    GetObjectOutput, HeadObjectOutput, ListObjectsV2Output, Object, PutObjectOutput, UploadPartCopyOutput,
    UploadPartOutput,
};
use wire::schema::Service;
use wire::{Api, ByteStream, Error, Reply};

use crate::site::{NOW, Site, ask, signed};

pub fn api(service: &'static Service, site: Arc<Site>) -> Arc<Api> {
    Api::builder(service, site)
        .on::<model_s3::CopyObject, _, _, _>(|_, _, input| async move {
            let result =
                CopyObjectResult { etag: Some(input.copy_source), last_modified: Some(NOW), ..Default::default() };
            Ok::<_, Error>(CopyObjectOutput { copy_object_result: Some(result), ..Default::default() })
        })
        .on::<model_s3::DeleteObjects, _, _, _>(|_, _, input| async move {
            let deleted = input.delete.objects.into_iter();
            let deleted =
                deleted.map(|o| DeletedObject { key: Some(o.key), version_id: o.version_id, ..Default::default() });
            Ok::<_, Error>(DeleteObjectsOutput { deleted: Some(deleted.collect()), ..Default::default() })
        })
        .on::<model_s3::GetBucketLocation, _, _, _>(|_, _, _| async {
            Ok::<_, Error>(GetBucketLocationOutput { location_constraint: Some("eu-central-1".into()) })
        })
        .on::<model_s3::GetObject, _, _, _>(|_, _, input| async move {
            if input.key == "absent" {
                let error = Error::new("NoSuchKey", 404, "The specified key does not exist.");
                return Err(error.with("Key", input.key));
            }
            let body = Bytes::from(format!("{}|{}", input.bucket, input.key));
            let output = GetObjectOutput {
                content_length: Some(body.len() as i64),
                last_modified: Some(NOW),
                metadata: Some([("a".to_owned(), "b".to_owned())].into()),
                ..Default::default()
            };
            Ok(Reply::from(output).with_body(ByteStream::from(body)))
        })
        .on::<model_s3::HeadObject, _, _, _>(|_, _, input| async move {
            if input.key == "absent" {
                return Err(Error::new("NoSuchKey", 404, "The specified key does not exist."));
            }
            Ok(HeadObjectOutput { content_length: Some(11), ..Default::default() })
        })
        .on::<model_s3::ListObjectsV2, _, _, _>(|_, _, input| async move {
            let object =
                Object { key: Some("a&b\u{1}".into()), last_modified: Some(NOW), size: Some(3), ..Default::default() };
            Ok::<_, Error>(ListObjectsV2Output {
                is_truncated: Some(false),
                contents: Some(vec![object.clone(), object]),
                name: Some(input.bucket),
                max_keys: input.max_keys,
                common_prefixes: Some(vec![CommonPrefix { prefix: Some("p/".into()) }]),
                ..Default::default()
            })
        })
        .on::<model_s3::PutObject, _, _, _>(|_, call, input| async move {
            let body = call.body.expect("a body");
            let verified = body.verified();
            let whole = body.collect(1_000).await?.expect("a small body");
            let sums: Vec<String> = verified.checksums().iter().map(|(a, sum)| format!("{}={sum}", a.name())).collect();
            let metadata = input.metadata.unwrap_or_default();
            let seen = format!(
                "{} {} {:?} {:?} {:?} {metadata:?} {}",
                input.key,
                String::from_utf8_lossy(&whole),
                input.content_encoding,
                input.content_length,
                input.content_type,
                sums.join(",")
            );
            Ok::<_, Error>(PutObjectOutput { etag: Some(seen), ..Default::default() })
        })
        .on::<model_s3::UploadPart, _, _, _>(|_, _, input| async move {
            Ok::<_, Error>(UploadPartOutput { etag: Some(format!("part {}", input.part_number)), ..Default::default() })
        })
        .on::<model_s3::UploadPartCopy, _, _, _>(|_, _, _| async { Ok::<_, Error>(UploadPartCopyOutput::default()) })
        .build()
}

#[test]
fn puts_an_object_with_raw_keys_and_metadata() {
    let headers = ["content-type: text/plain", "x-amz-meta-Colour: red"];
    let answer = ask("PUT /bucket/a%20b//c/../%C3%BC+d", &headers, "hello");
    assert_eq!(answer.status, 200, "{}", answer.body);
    let etag = String::from_utf8(answer.headers["etag"].as_bytes().to_vec()).unwrap();
    assert_eq!(etag, "a b//c/../ü+d hello None None Some(\"text/plain\") {\"colour\": \"red\"} ");
    assert_eq!(answer.header("x-amz-request-id").len(), 16);
    assert_eq!(answer.header("x-amz-id-2").len(), 76);
    assert_eq!(answer.body, "");
}

#[test]
fn an_aws_chunked_upload_is_decoded_and_verified() {
    let headers = [
        "content-encoding: gzip,aws-chunked",
        "content-length: 99",
        "x-amz-decoded-content-length: 11",
        "x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x-amz-trailer: x-amz-checksum-crc32",
    ];
    let body = |sum: &str| format!("b\r\nhello world\r\n0\r\nx-amz-checksum-crc32:{sum}\r\n\r\n");
    let answer = ask("PUT /b/k", &headers, body("DUoRhQ=="));
    assert_eq!(answer.header("etag"), "k hello world Some(\"gzip\") Some(11) None {} CRC32=DUoRhQ==");
    let answer = ask("PUT /b/k", &headers, body("AAAAAA=="));
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("<Code>BadDigest</Code>"), "{}", answer.body);
    assert!(answer.body.contains("The CRC32 you specified did not match the calculated checksum."));
}

#[test]
fn gets_an_object_by_path_and_by_host() {
    let answer = ask("GET /bucket/k?x-id=GetObject", &[], "");
    assert_eq!((answer.status, answer.body.as_str()), (200, "bucket|k"));
    assert_eq!(answer.header("content-length"), "8");
    assert_eq!(answer.header("last-modified"), "Fri, 02 Jan 2026 03:04:05 GMT");
    assert_eq!(answer.header("x-amz-meta-a"), "b");
    assert_eq!(answer.header("content-type"), "binary/octet-stream");
    for host in
        ["host: bucket.localhost:4566", "host: bucket.kobel.internal", "host: bucket.s3.us-east-1.amazonaws.com"]
    {
        assert_eq!(ask("GET /a/k", &[host], "").body, "bucket|a/k", "{host}");
    }
}

#[test]
fn an_error_is_a_document_and_a_head_has_none() {
    let answer = ask("GET /bucket/absent", &[], "");
    assert_eq!(answer.status, 404);
    assert_eq!(answer.header("content-type"), "application/xml");
    let (id, host) = (answer.header("x-amz-request-id"), answer.header("x-amz-id-2"));
    assert_eq!(
        answer.body,
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>NoSuchKey</Code><Message>The specified key does \
             not exist.</Message><Key>absent</Key><RequestId>{id}</RequestId><HostId>{host}</HostId></Error>"
        )
    );
    let answer = ask("HEAD /bucket/absent", &[], "");
    assert_eq!((answer.status, answer.body.as_str()), (404, ""));
    let answer = ask("HEAD /bucket/k", &[], "");
    assert_eq!((answer.status, answer.header("content-length"), answer.body.as_str()), (200, "11", ""));
}

#[test]
fn lists_are_flattened_and_escaped() {
    let answer = ask("GET /bucket/?list-type=2&max-keys=7&delimiter=%2F", &[], "");
    let object = "<Contents><Key>a&amp;b&#x1;</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified><Size>3</Size>\
                  </Contents>";
    let expected = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
         <IsTruncated>false</IsTruncated>{object}{object}<Name>bucket</Name><MaxKeys>7</MaxKeys>\
         <CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes></ListBucketResult>"
    );
    assert_eq!(answer.body, expected);
}

#[test]
fn the_root_may_be_the_only_member() {
    let answer = ask("GET /bucket?location", &[], "");
    assert!(
        answer.body.ends_with(
            "<LocationConstraint xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">eu-central-1</LocationConstraint>"
        ),
        "{}",
        answer.body
    );
}

#[test]
fn routes_puts_by_what_they_carry() {
    let operation = |line: &str, headers: &[&str]| ask(line, headers, "").journal.first().cloned().unwrap_or_default();
    let copy = "x-amz-copy-source: /a/b";
    assert!(operation("PUT /b/k", &[]).starts_with("s3.PutObject"));
    assert!(operation("PUT /b/k", &[copy]).starts_with("s3.CopyObject"));
    assert!(operation("PUT /b/k?partNumber=1&uploadId=u", &[]).starts_with("s3.UploadPart "));
    assert!(operation("PUT /b/k?partNumber=1&uploadId=u", &[copy]).starts_with("s3.UploadPartCopy"));
    let answer = ask("PUT /b/k", &[copy], "");
    assert!(answer.body.contains("<CopyObjectResult xmlns="), "{}", answer.body);
}

#[test]
fn deletes_objects_only_with_a_checksum() {
    let body = "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Object><Key>a &amp; &#98;</Key></Object>\
                <Object><Key><![CDATA[<c>]]></Key><VersionId>v</VersionId></Object><Quiet>false</Quiet></Delete>";
    let answer = ask("POST /b?delete", &[], body);
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("Missing required header for this request"), "{}", answer.body);
    let sum = wire::checksum::base64_of(wire::checksum::Algorithm::Crc32, body.as_bytes());
    let answer = ask("POST /b?delete", &[&format!("x-amz-checksum-crc32: {sum}")], body);
    assert!(
        answer.body.contains(
            "<Deleted><Key>a &amp; b</Key></Deleted><Deleted><Key>&lt;c&gt;</Key><VersionId>v</VersionId></Deleted>"
        ),
        "{}",
        answer.body
    );
    for malformed in ["<Delete>", "<!DOCTYPE d [<!ENTITY e \"x\">]><Delete>&e;</Delete>", "no xml", "<Delete></Delete>"]
    {
        let sum = wire::checksum::base64_of(wire::checksum::Algorithm::Sha256, malformed.as_bytes());
        let answer = ask("POST /b?delete", &[&format!("x-amz-checksum-sha256: {sum}")], malformed);
        assert!(answer.body.contains("<Code>MalformedXML</Code>"), "{malformed}: {}", answer.body);
    }
}

#[test]
fn a_document_may_claim_to_be_a_form() {
    let body = "<Delete><Object><Key>a</Key></Object></Delete>";
    let sum = wire::checksum::base64_of(wire::checksum::Algorithm::Crc32, body.as_bytes());
    let form = "content-type: application/x-www-form-urlencoded";
    let answer = ask("POST /b?delete", &[form, &format!("x-amz-checksum-crc32: {sum}")], body);
    assert!(answer.body.contains("<Deleted><Key>a</Key></Deleted>"), "{}", answer.body);
}

#[test]
fn a_presigned_url_is_good_until_it_expires() {
    let url = |date: &str| {
        format!(
            "GET /b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=123456789012%2F20260102%2Feu-west-1%2Fs3%2F\
             aws4_request&X-Amz-Date={date}&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=00"
        )
    };
    let answer = ask(&url("20260102T030400Z"), &[], "");
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.journal[0].starts_with("s3.GetObject 123456789012/eu-west-1"), "{:?}", answer.journal);
    let answer = ask(&url("20260102T030300Z"), &[], "");
    assert_eq!(answer.status, 403);
    assert!(
        answer.body.contains(
            "<Code>AccessDenied</Code><Message>Request has expired</Message><X-Amz-Expires>60</X-Amz-Expires>\
             <Expires>2026-01-02T03:04:00Z</Expires><ServerTime>2026-01-02T03:04:05Z</ServerTime>"
        ),
        "{}",
        answer.body
    );
}

#[test]
fn what_s3_lacks_is_named() {
    let answer = ask("PUT /b?lifecycle", &[&signed("test", "us-east-1", "s3")], "<a/>");
    assert_eq!(answer.status, 501);
    assert!(answer.body.contains("<Code>NotImplemented</Code>"), "{}", answer.body);
    assert!(answer.body.contains("PutBucketLifecycle"), "{}", answer.body);
    let answer = ask("PATCH /b/k", &[], "");
    assert_eq!(answer.status, 405);
}
