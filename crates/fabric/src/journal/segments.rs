use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::Event;

const SEGMENT_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// The oldest segments are deleted: the journal never takes more than 128 MiB.
const SEGMENTS_MAX: usize = 16;

/// Files of JSON lines, numbered; the highest number is being appended to.
pub(super) struct Segments {
    folder: PathBuf,
    current: Mutex<Current>,
}

struct Current {
    number: u64,
    file: File,
    bytes: u64,
}

impl Segments {
    pub(super) fn open(folder: &Path) -> io::Result<Segments> {
        fs::create_dir_all(folder)?;
        let number = numbers(folder)?.last().copied().unwrap_or(1);
        let mut file = append_to(&path(folder, number))?;
        let bytes = file.metadata()?.len();
        if bytes > 0 {
            // A predecessor that was killed may have left half a line.
            file.write_all(b"\n")?;
        }
        Ok(Segments { folder: folder.to_owned(), current: Mutex::new(Current { number, file, bytes }) })
    }

    pub(super) fn append(&self, lines: &[u8]) -> io::Result<()> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.file.write_all(lines)?;
        current.bytes += lines.len() as u64;
        if current.bytes >= SEGMENT_BYTES_MAX {
            let number = current.number + 1;
            *current = Current { number, file: append_to(&path(&self.folder, number))?, bytes: 0 };
            let numbers = numbers(&self.folder)?;
            for old in &numbers[..numbers.len().saturating_sub(SEGMENTS_MAX)] {
                fs::remove_file(path(&self.folder, *old))?;
            }
        }
        Ok(())
    }

    /// The newest events that `wanted` wants, oldest first. What cannot be read is passed over.
    pub(super) fn newest(&self, count: usize, wanted: impl Fn(&Event) -> bool) -> Vec<Arc<Event>> {
        let mut found = Vec::new();
        for number in numbers(&self.folder).unwrap_or_default().into_iter().rev() {
            let Ok(text) = fs::read(path(&self.folder, number)) else { continue };
            let events = text.rsplit(|byte| *byte == b'\n').filter_map(Event::read_line).filter(&wanted);
            found.extend(events.take(count - found.len()).map(Arc::new));
            if found.len() >= count {
                break;
            }
        }
        found.reverse();
        found
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:08}.jsonl"))
}

fn numbers(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number: Option<u64> = name.to_str().and_then(|name| name.strip_suffix(".jsonl")?.parse().ok());
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}
