//! Reads the answers: only as much of HTTP/1.1 as Kobel writes.

/// How many bytes the head of an answer has at most.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// The head of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    pub status: u16,
    /// How many bytes the head has.
    pub head_bytes: usize,
    pub body_bytes: usize,
}

impl Head {
    /// The head at the beginning of `bytes`, once all of it is there.
    ///
    /// # Errors
    /// A sentence, if this is no answer of HTTP/1.1 with a known length.
    pub fn parse(bytes: &[u8]) -> Result<Option<Head>, String> {
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            return if bytes.len() > HEAD_BYTES_MAX { Err("the answer's head is too long".into()) } else { Ok(None) };
        };
        let text =
            std::str::from_utf8(&bytes[..end]).map_err(|error| format!("the answer's head is no text: {error}"))?;
        let mut lines = text.split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok());
        let status = status.ok_or_else(|| format!("this is no answer of HTTP/1.1: {text}"))?;
        let length = lines.find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
        });
        let body_bytes = match (length, status) {
            (Some(length), _) => length,
            (None, 204 | 304) => 0,
            (None, _) => return Err(format!("the answer does not tell its length: {text}")),
        };
        Ok(Some(Head { status, head_bytes: end + 4, body_bytes }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_whole() {
        let text = b"HTTP/1.1 202 Accepted\r\nContent-Length: 5\r\n\r\nhello";
        let head = Head { status: 202, head_bytes: text.len() - 5, body_bytes: 5 };
        assert_eq!(Head::parse(text), Ok(Some(head)));
        assert_eq!(Head::parse(&text[..20]), Ok(None));
        assert!(Head::parse(b"SSH-2.0 hello\r\n\r\n").is_err());
        assert!(Head::parse(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
