//! Layers are plain, gzip or zstd. Which one tell their first bytes: media types are often wrong.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// How many bytes are looked at and read at once.
const BUFFER_BYTES: usize = 128 * 1024;

/// The plain bytes of a layer.
pub(crate) fn plain<'r>(compressed: impl Read + 'r) -> io::Result<Box<dyn Read + 'r>> {
    let mut reader = BufReader::with_capacity(BUFFER_BYTES, compressed);
    let start = reader.fill_buf()?;
    if start.starts_with(&GZIP) {
        return Ok(Box::new(MultiGzDecoder::new(reader)));
    }
    if start.starts_with(&ZSTD) {
        return Ok(Box::new(Zstd { reader, frame: None }));
    }
    Ok(Box::new(reader))
}

/// Whether a file is compressed; it is read from its beginning afterwards.
pub(crate) fn is_compressed(file: &mut std::fs::File) -> io::Result<bool> {
    let mut start = Vec::new();
    file.by_ref().take(4).read_to_end(&mut start)?;
    io::Seek::rewind(file)?;
    Ok(start.starts_with(&GZIP) || start.starts_with(&ZSTD))
}

/// All frames of a zstd stream, one after the other.
struct Zstd<R> {
    reader: R,
    /// Set inside of a frame.
    frame: Option<FrameDecoder>,
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let Some(frame) = &mut self.frame else {
                if self.reader.fill_buf()?.is_empty() {
                    return Ok(0);
                }
                self.frame = next_frame(&mut self.reader)?;
                continue;
            };
            let count = frame.read(buffer)?;
            if count > 0 {
                return Ok(count);
            }
            if frame.is_finished() {
                self.frame = None;
                continue;
            }
            let step = BlockDecodingStrategy::UptoBytes(buffer.len());
            frame.decode_blocks(&mut self.reader, step).map_err(io::Error::other)?;
        }
    }
}

/// The frame that begins here; nothing where it was one to be skipped.
fn next_frame(reader: &mut impl BufRead) -> io::Result<Option<FrameDecoder>> {
    let mut frame = FrameDecoder::new();
    match frame.init(&mut *reader) {
        Ok(()) => Ok(Some(frame)),
        Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
            let skipped = io::copy(&mut reader.take(u64::from(length)), &mut io::sink())?;
            if skipped < u64::from(length) { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(None) }
        }
        Err(error) => Err(io::Error::other(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    #[test]
    fn reads_each_kind_by_its_first_bytes() {
        let text = "a layer ".repeat(40_000).into_bytes();
        let (first, second) = text.split_at(100_001);
        let gzip = |bytes: &[u8]| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(bytes).expect("memory");
            encoder.finish().expect("memory")
        };
        let zstd = |bytes: &[u8]| compress_to_vec(bytes, CompressionLevel::Fastest);
        let skipped = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0], &b"abc"[..]].concat();
        let cases = [
            ("plain", text.clone()),
            ("gzip in two members", [gzip(first), gzip(second)].concat()),
            ("zstd in two frames and one to be skipped", [zstd(first), skipped, zstd(second)].concat()),
        ];
        for (name, bytes) in cases {
            let mut found = Vec::new();
            plain(&bytes[..]).expect(name).read_to_end(&mut found).expect(name);
            assert!(found == text, "{name}");
        }
    }

    #[test]
    fn tells_of_damage() {
        let mut broken = compress_to_vec(&b"abc".repeat(1_000)[..], CompressionLevel::Fastest);
        broken.truncate(broken.len() / 2);
        plain(&broken[..]).expect("a start").read_to_end(&mut Vec::new()).expect_err("half of it is missing");
    }
}
