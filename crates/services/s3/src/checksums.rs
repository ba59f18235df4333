//! The checksums that clients send with a body, by S3's names of their algorithms. Whether they match is found out
//! by `wire` while the body is read; here they are kept and given back.

use std::collections::BTreeMap;

/// Base64 values by algorithm: `CRC32`, `SHA256`, …
pub type Checksums = BTreeMap<String, String>;

/// Collects the checksum members of an input.
macro_rules! taken {
    ($input:expr) => {{
        let mut checksums = $crate::checksums::Checksums::new();
        let mut keep = |name: &str, value: &mut Option<String>| {
            if let Some(value) = value.take() {
                checksums.insert(name.to_owned(), value);
            }
        };
        keep("CRC32", &mut $input.checksum_crc32);
        keep("CRC32C", &mut $input.checksum_crc32c);
        keep("CRC64NVME", &mut $input.checksum_crc64nvme);
        keep("SHA1", &mut $input.checksum_sha1);
        keep("SHA256", &mut $input.checksum_sha256);
        keep("SHA512", &mut $input.checksum_sha512);
        keep("MD5", &mut $input.checksum_md5);
        keep("XXHASH64", &mut $input.checksum_xxhash64);
        keep("XXHASH3", &mut $input.checksum_xxhash3);
        keep("XXHASH128", &mut $input.checksum_xxhash128);
        checksums
    }};
}

/// Fills the checksum members of an output.
macro_rules! given {
    ($output:expr, $checksums:expr) => {{
        let checksums: &$crate::checksums::Checksums = $checksums;
        $output.checksum_crc32 = checksums.get("CRC32").cloned();
        $output.checksum_crc32c = checksums.get("CRC32C").cloned();
        $output.checksum_crc64nvme = checksums.get("CRC64NVME").cloned();
        $output.checksum_sha1 = checksums.get("SHA1").cloned();
        $output.checksum_sha256 = checksums.get("SHA256").cloned();
        $output.checksum_sha512 = checksums.get("SHA512").cloned();
        $output.checksum_md5 = checksums.get("MD5").cloned();
        $output.checksum_xxhash64 = checksums.get("XXHASH64").cloned();
        $output.checksum_xxhash3 = checksums.get("XXHASH3").cloned();
        $output.checksum_xxhash128 = checksums.get("XXHASH128").cloned();
    }};
}

pub(crate) use {given, taken};
