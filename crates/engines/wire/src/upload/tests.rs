use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::*;

type Pairs<'a> = [(&'static str, &'a str)];

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value")))
        .collect()
}

fn read(pairs: &[(&'static str, &str)], body: &str) -> Result<(String, Vec<(Algorithm, String)>), Error> {
    let pieces: Vec<_> = body.as_bytes().chunks(7).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let body = ByteStream::new(stream::iter(pieces), None);
    let body = verified(body, &headers(pairs))?;
    let verified = body.verified();
    let whole = futures_executor::block_on(body.collect(1_000))?.expect("a small body");
    Ok((String::from_utf8(whole.to_vec()).expect("text"), verified.checksums().to_vec()))
}

#[test]
fn passes_a_body_whose_checksums_match() {
    let pairs = [
        ("x-amz-checksum-crc32", "DUoRhQ=="),
        ("content-md5", "XrY7u+Ae7tCTyyK7j1rNww=="),
        ("x-amz-content-sha256", "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"),
    ];
    let (body, checksums) = read(&pairs, "hello world").expect("a good body");
    assert_eq!(body, "hello world");
    assert_eq!(checksums, [(Algorithm::Crc32, "DUoRhQ==".to_owned())]);
}

#[test]
fn takes_the_checksum_out_of_a_trailer() {
    let pairs = [
        ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
        ("x-amz-trailer", "x-amz-checksum-crc32c"),
        ("x-amz-decoded-content-length", "11"),
    ];
    let body = "b\r\nhello world\r\n0\r\nx-amz-checksum-crc32c:yZRlqg==\r\n\r\n";
    let (body, checksums) = read(&pairs, body).expect("a good body");
    assert_eq!((body.as_str(), checksums), ("hello world", vec![(Algorithm::Crc32c, "yZRlqg==".to_owned())]));
}

#[test]
fn refuses_what_does_not_match() {
    let trailer = ("x-amz-trailer", "x-amz-checksum-crc32");
    let streaming = ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    let cases: [(&Pairs<'_>, &str, &str); 10] = [
        (&[("x-amz-checksum-xxhash64", "AAAA")], "hello", "NotImplemented"),
        (&[("x-amz-checksum-crc32", "AAAAAA==")], "hello", "BadDigest"),
        (&[("x-amz-checksum-crc32", "AAAA")], "hello", "InvalidRequest"),
        (&[("content-md5", "AAAA")], "hello", "InvalidDigest"),
        (&[("content-md5", "XrY7u+Ae7tCTyyK7j1rNwg==")], "hello world", "BadDigest"),
        (&[("x-amz-content-sha256", &"a".repeat(64))], "hello", "XAmzContentSHA256Mismatch"),
        (&[streaming, trailer], "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", "BadDigest"),
        (&[streaming, trailer], "5\r\nhello\r\n0\r\n\r\n", "MalformedTrailerError"),
        (&[streaming], "5\r\nhel", "IncompleteBody"),
        (&[streaming, ("x-amz-decoded-content-length", "6")], "5\r\nhello\r\n0\r\n\r\n", "IncompleteBody"),
    ];
    for (pairs, body, code) in cases {
        assert_eq!(read(pairs, body).expect_err(code).code, code);
    }
}
