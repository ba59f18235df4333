//! The digests by which clients verify what they sent and received.

use md5::{Digest, Md5};
use sha2::Sha256;
use wire::checksum::hex;

use crate::message::Attribute;

pub(crate) fn of_body(body: &str) -> String {
    hex(&Md5::digest(body))
}

/// The digest of message attributes: names ascending; each as name, data type, transport type and value, with
/// lengths before the texts. `None` where there are none.
pub(crate) fn of_attributes<'a>(attributes: impl IntoIterator<Item = (&'a String, &'a Attribute)>) -> Option<String> {
    let mut digest = Md5::new();
    let mut any = false;
    for (name, attribute) in attributes {
        any = true;
        text(&mut digest, name.as_bytes());
        text(&mut digest, attribute.data_type.as_bytes());
        digest.update([attribute.value.transport()]);
        text(&mut digest, attribute.value.bytes());
    }
    any.then(|| hex(&digest.finalize()))
}

/// The deduplication id that a body stands for: attributes do not count.
pub(crate) fn deduplication_id(body: &str) -> String {
    hex(&Sha256::digest(body))
}

/// Sixteen bytes that stand for texts of any length.
pub(crate) fn short<const N: usize>(texts: [&str; N]) -> u128 {
    let mut digest = Sha256::new();
    for part in texts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    let digest = digest.finalize();
    u128::from_be_bytes(*digest.first_chunk().expect("a SHA-256 has 32 bytes"))
}

fn text(digest: &mut Md5, bytes: &[u8]) {
    digest.update(u32::try_from(bytes.len()).expect("a message has less than 4 GiB").to_be_bytes());
    digest.update(bytes);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::message::AttributeValue;

    #[test]
    fn bodies_are_digested_as_they_are() {
        assert_eq!(of_body("This is a test message"), "fafb00f5732ab283681e124bf8747ed1");
        assert_eq!(of_body(""), "d41d8cd98f00b204e9800998ecf8427e");
    }

    #[test]
    fn attributes_are_digested_in_the_order_of_their_names() {
        let attribute = |text: &str| Attribute { data_type: "String".into(), value: AttributeValue::Text(text.into()) };
        let attributes: BTreeMap<_, _> = [("b".to_owned(), attribute("2")), ("a".to_owned(), attribute("1"))].into();
        let buffer = b"\0\0\0\x01a\0\0\0\x06String\x01\0\0\0\x011\0\0\0\x01b\0\0\0\x06String\x01\0\0\0\x012";
        assert_eq!(of_attributes(&attributes), Some(hex(&Md5::digest(buffer))));
        assert_eq!(of_attributes(&BTreeMap::new()), None);
    }
}
