use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;

/// The events of one PutLogEvents call.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk {
    pub ingested_ms: i64,
    /// In order of time: timestamp in milliseconds, and message.
    pub events: Vec<(i64, String)>,
}

const PLAIN: u8 = 1;
const DEFLATED: u8 = 2;
/// Shorter chunks are not worth compressing.
const PLAIN_BYTES_MAX: usize = 256;
/// No chunk is longer, uncompressed: what a call may put, with its framing.
const CHUNK_BYTES_MAX: u64 = 4 * 1024 * 1024;

impl Chunk {
    /// The row: a format byte, then, compressed or not, the ingestion time and each event as timestamp, length and
    /// text.
    pub fn encode(&self) -> Vec<u8> {
        let mut plain = Vec::new();
        plain.extend_from_slice(&self.ingested_ms.to_be_bytes());
        for (timestamp, message) in &self.events {
            plain.extend_from_slice(&timestamp.to_be_bytes());
            plain.extend_from_slice(&u32::try_from(message.len()).expect("a message is short").to_be_bytes());
            plain.extend_from_slice(message.as_bytes());
        }
        if plain.len() <= PLAIN_BYTES_MAX {
            plain.insert(0, PLAIN);
            return plain;
        }
        let mut encoder = DeflateEncoder::new(vec![DEFLATED], Compression::fast());
        encoder.write_all(&plain).expect("memory takes all");
        encoder.finish().expect("memory takes all")
    }

    pub fn decode(row: &[u8]) -> Option<Chunk> {
        let (format, body) = row.split_first()?;
        let plain = match *format {
            PLAIN => body.to_vec(),
            DEFLATED => {
                let mut plain = Vec::new();
                DeflateDecoder::new(body).take(CHUNK_BYTES_MAX).read_to_end(&mut plain).ok()?;
                plain
            }
            _ => return None,
        };
        let (ingested, mut rest) = plain.split_first_chunk::<8>()?;
        let mut events = Vec::new();
        while !rest.is_empty() {
            let (timestamp, after) = rest.split_first_chunk::<8>()?;
            let (length, after) = after.split_first_chunk::<4>()?;
            let (message, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
            events.push((i64::from_be_bytes(*timestamp), String::from_utf8(message.to_vec()).ok()?));
            rest = after;
        }
        Some(Chunk { ingested_ms: i64::from_be_bytes(*ingested), events })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_read_back_whole() {
        for count in [0, 1, 100] {
            let events = (0..count).map(|n| (n, format!("message {n}"))).collect();
            let chunk = Chunk { ingested_ms: 5, events };
            assert_eq!(Chunk::decode(&chunk.encode()), Some(chunk));
        }
        assert_eq!(Chunk::decode(b""), None);
        assert_eq!(Chunk::decode(&[PLAIN, 0, 0]), None);
    }

    #[test]
    fn text_that_repeats_takes_little_room() {
        let events = (0..1_000).map(|n| (n, r#"{"level":"INFO","message":"handled"}"#.to_owned())).collect();
        assert!(Chunk { ingested_ms: 5, events }.encode().len() < 8_000);
    }
}
