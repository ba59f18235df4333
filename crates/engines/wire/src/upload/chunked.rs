use bytes::Bytes;

/// How long a chunk's head or a trailer may be.
const LINE_BYTES_MAX: usize = 4_096;
/// How many trailers a body may have.
const TRAILERS_MAX: usize = 16;

/// Why a body is not `aws-chunked`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    #[error("a chunk has no size")]
    Size,
    #[error("a chunk or a trailer does not end its line")]
    Line,
    #[error("something follows the end")]
    Excess,
}

/// Takes S3's `aws-chunked` encoding off a body, signed or not. Data is passed on without being copied.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    state: State,
    line: Vec<u8>,
    /// Lower-case names and values.
    pub(crate) trailers: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// `{hex length}[;chunk-signature={hex}]`.
    #[default]
    Head,
    Data(u64),
    /// The line break after data.
    DataEnd,
    Trailers,
    Done,
}

impl Decoder {
    /// Takes a piece of the body and adds the data in it to `data`.
    pub(crate) fn feed(&mut self, mut piece: Bytes, data: &mut Vec<Bytes>) -> Result<(), Broken> {
        while !piece.is_empty() {
            match self.state {
                State::Data(left) => {
                    let taken = left.min(piece.len() as u64);
                    data.push(piece.split_to(taken as usize));
                    self.state = if taken == left { State::DataEnd } else { State::Data(left - taken) };
                }
                State::Done => {
                    return if piece.iter().all(u8::is_ascii_whitespace) { Ok(()) } else { Err(Broken::Excess) };
                }
                _ => self.take_line(&mut piece)?,
            }
        }
        Ok(())
    }

    /// Whether the last chunk has come.
    pub(crate) fn ended(&self) -> bool {
        matches!(self.state, State::Trailers | State::Done)
    }

    /// Moves bytes up to a line's end out of `piece`; acts on the line when it is whole.
    fn take_line(&mut self, piece: &mut Bytes) -> Result<(), Broken> {
        let end = piece.iter().position(|byte| *byte == b'\n');
        let part = piece.split_to(end.map_or(piece.len(), |end| end + 1));
        if self.line.len() + part.len() > LINE_BYTES_MAX {
            return Err(Broken::Line);
        }
        self.line.extend_from_slice(&part);
        if end.is_none() {
            return Ok(());
        }
        let line = std::mem::take(&mut self.line);
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.act(std::str::from_utf8(line).map_err(|_| Broken::Line)?)
    }

    fn act(&mut self, line: &str) -> Result<(), Broken> {
        self.state = match self.state {
            State::Head => {
                let size = line.split(';').next().unwrap_or_default().trim();
                match u64::from_str_radix(size, 16).map_err(|_| Broken::Size)? {
                    0 => State::Trailers,
                    size => State::Data(size),
                }
            }
            State::DataEnd if line.is_empty() => State::Head,
            State::DataEnd => return Err(Broken::Line),
            State::Trailers if line.is_empty() => State::Done,
            state => {
                let (name, value) = line.split_once(':').ok_or(Broken::Line)?;
                if self.trailers.len() == TRAILERS_MAX {
                    return Err(Broken::Line);
                }
                self.trailers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
                state
            }
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(body: &[u8], piece_bytes: usize) -> Result<(Vec<u8>, Decoder), Broken> {
        let (mut decoder, mut data) = (Decoder::default(), Vec::new());
        for piece in body.chunks(piece_bytes) {
            decoder.feed(Bytes::copy_from_slice(piece), &mut data)?;
        }
        Ok((data.concat(), decoder))
    }

    #[test]
    fn decodes_all_forms_in_pieces_of_any_size() {
        let forms: [&[u8]; 4] = [
            b"5\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n",
            b"5;chunk-signature=ab\r\nhello\r\n6;chunk-signature=cd\r\n world\r\n0;chunk-signature=ef\r\n\r\n",
            b"b;chunk-signature=ab\r\nhello world\r\n0;chunk-signature=ef\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\
              x-amz-trailer-signature:ab\r\n\r\n",
            b"B\r\nhello world\r\n0\r\n",
        ];
        for (form, body) in forms.into_iter().enumerate() {
            for piece_bytes in 1..=body.len() {
                let (data, decoder) = decode(body, piece_bytes).expect("a good body");
                assert_eq!(data, b"hello world", "form {form} in pieces of {piece_bytes}");
                assert!(decoder.ended());
                let trailer = decoder.trailers.iter().find(|(name, _)| name == "x-amz-checksum-crc32");
                assert_eq!(trailer.is_some(), form == 0 || form == 2);
            }
        }
    }

    #[test]
    fn refuses_what_is_broken() {
        let cases: [(&[u8], Broken); 4] = [
            (b"hello\r\n", Broken::Size),
            (b"1\r\nab\r\n", Broken::Line),
            (b"0\r\n\r\nmore", Broken::Excess),
            (&[b'1'; LINE_BYTES_MAX + 1], Broken::Line),
        ];
        for (body, broken) in cases {
            assert_eq!(decode(body, body.len()).err(), Some(broken));
        }
        assert!(!decode(b"5\r\nhel", 7).expect("a beginning").1.ended());
    }
}
