//! Reads what a function writes and hands it on as lines.

use std::io;
use std::sync::Arc;

use tokio::net::unix::pipe::Receiver;

use crate::spec::{Line, Output, Source};

/// The longest log event; longer lines are split. CloudWatch's limit is 256 KB with overhead.
pub const LINE_BYTES_MAX: usize = 256 * 1024 - 26;
/// What a bootstrap writes for a line break inside a message that is one log event (ASCII RS).
const MESSAGE_BREAK: u8 = 0x1e;
/// The most that is read at once.
const READ_BYTES: usize = 16 * 1024;
/// What may wait in the pipe when an invocation ends: the capacity of a pipe.
const DRAIN_BYTES_MAX: usize = 64 * 1024;

/// Reads what an environment's processes write.
pub(crate) struct Pump {
    function: Reader,
    extensions: Option<Reader>,
}

/// The reading end of standard output and error.
struct Reader {
    source: Source,
    pipe: Option<Receiver>,
    buffer: Vec<u8>,
    partial: Vec<u8>,
    sink: Arc<dyn Output>,
    request_id: Option<String>,
}

impl Pump {
    /// What extensions write comes by a pipe of its own, where there are any.
    pub(crate) fn new(function: Receiver, extensions: Option<Receiver>, sink: Arc<dyn Output>) -> Pump {
        let extensions = extensions.map(|pipe| Reader::new(Source::Extension, pipe, sink.clone()));
        Pump { function: Reader::new(Source::Function, function, sink), extensions }
    }

    /// From now on lines belong to this invocation. What waits from before is read as its own too,
    /// as Lambda does with the output of background work.
    pub(crate) fn begin(&mut self, request_id: &str) {
        for reader in self.readers() {
            reader.request_id = Some(request_id.to_owned());
        }
    }

    /// Hands on lines for as long as it is polled. Cancel safe.
    pub(crate) async fn run(&mut self) -> std::convert::Infallible {
        let Some(extensions) = &mut self.extensions else { return self.function.run().await };
        tokio::select! {
            never = self.function.run() => never,
            never = extensions.run() => never,
        }
    }

    /// Hands on what was written up to now, the unfinished last line too.
    pub(crate) fn drain(&mut self) {
        self.readers().for_each(Reader::drain);
    }

    fn readers(&mut self) -> impl Iterator<Item = &mut Reader> {
        std::iter::once(&mut self.function).chain(&mut self.extensions)
    }
}

impl Reader {
    fn new(source: Source, pipe: Receiver, sink: Arc<dyn Output>) -> Reader {
        Reader { source, pipe: Some(pipe), buffer: vec![0; READ_BYTES], partial: Vec::new(), sink, request_id: None }
    }

    /// As [`Pump::run`].
    async fn run(&mut self) -> std::convert::Infallible {
        loop {
            let Some(pipe) = &self.pipe else { return std::future::pending().await };
            if pipe.readable().await.is_err() {
                self.pipe = None;
                continue;
            }
            self.take(Receiver::try_read);
        }
    }

    /// As [`Pump::drain`].
    fn drain(&mut self) {
        let mut drained = 0;
        while drained <= DRAIN_BYTES_MAX {
            // Past the event loop, which may not have heard of the latest bytes yet.
            match self.take(|pipe, buffer| Ok(rustix::io::read(pipe, buffer)?)) {
                0 => break,
                count => drained += count,
            }
        }
        if !self.partial.is_empty() {
            let rest = std::mem::take(&mut self.partial);
            self.emit(&rest);
        }
    }

    /// Reads once; 0 when nothing is there, or at the end.
    fn take(&mut self, read: impl FnOnce(&Receiver, &mut [u8]) -> io::Result<usize>) -> usize {
        let Some(pipe) = &self.pipe else { return 0 };
        match read(pipe, &mut self.buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Ok(0) | Err(_) => {
                self.pipe = None;
                0
            }
            Ok(count) => {
                self.split(count);
                count
            }
        }
    }

    fn split(&mut self, count: usize) {
        let buffer = std::mem::take(&mut self.buffer);
        let mut rest = &buffer[..count];
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.partial.extend_from_slice(&rest[..end]);
            let line = std::mem::take(&mut self.partial);
            self.emit(&line);
            rest = &rest[end + 1..];
        }
        self.partial.extend_from_slice(rest);
        if self.partial.len() >= LINE_BYTES_MAX {
            let line = std::mem::take(&mut self.partial);
            self.emit(&line);
        }
        self.buffer = buffer;
    }

    fn emit(&self, line: &[u8]) {
        for piece in line.chunks(LINE_BYTES_MAX).chain(line.is_empty().then_some(line)) {
            let piece = piece.strip_suffix(b"\r").unwrap_or(piece);
            let whole: Vec<u8> = piece.iter().map(|byte| if *byte == MESSAGE_BREAK { b'\n' } else { *byte }).collect();
            let text = String::from_utf8_lossy(&whole).into_owned();
            self.sink.line(Line { source: self.source, request_id: self.request_id.clone(), text });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Lines(Mutex<Vec<(Option<String>, String)>>);

    impl Output for Lines {
        fn line(&self, line: Line) {
            self.0.lock().expect("not poisoned").push((line.request_id, line.text));
        }
    }

    #[tokio::test]
    async fn splits_lines_and_keeps_whole_messages() {
        let (reader, writer) = std::io::pipe().expect("pipe");
        let lines = Arc::new(Lines::default());
        let pipe = Receiver::from_owned_fd(reader.into()).expect("pipe");
        let mut pump = Pump::new(pipe, None, lines.clone());
        let mut writer = writer;
        writer.write_all(b"one\n\ntw").expect("write");
        pump.function.take(|pipe, buffer| Ok(rustix::io::read(pipe, buffer)?));
        pump.begin("r");
        writer.write_all(b"o\na\x1eb\r\nrest").expect("write");
        pump.drain();
        let seen = lines.0.lock().expect("not poisoned").clone();
        let r = || Some("r".to_owned());
        let expected: Vec<(Option<String>, String)> = vec![
            (None, "one".into()),
            (None, String::new()),
            (r(), "two".into()),
            (r(), "a\nb".into()),
            (r(), "rest".into()),
        ];
        assert_eq!(seen, expected);
    }

    #[tokio::test]
    async fn splits_a_line_without_end_at_the_limit() {
        let (reader, writer) = std::io::pipe().expect("pipe");
        let lines = Arc::new(Lines::default());
        let pipe = Receiver::from_owned_fd(reader.into()).expect("pipe");
        let mut pump = Pump::new(pipe, None, lines.clone());
        let total = LINE_BYTES_MAX + 10;
        let thread = std::thread::spawn(move || {
            let mut writer = writer;
            writer.write_all(&vec![b'x'; total]).expect("write");
        });
        while pump.function.pipe.is_some() {
            tokio::select! { biased; never = pump.run() => match never {}, () = tokio::task::yield_now() => {} }
        }
        thread.join().expect("writer");
        pump.drain();
        let seen: Vec<usize> = lines.0.lock().expect("not poisoned").iter().map(|(_, text)| text.len()).collect();
        assert_eq!(seen.iter().sum::<usize>(), total);
        assert!(seen.iter().all(|length| *length <= LINE_BYTES_MAX));
    }
}
