//! Unpacks a kernel ahead of its boots: a guest that unpacks its own takes longer for that than for the rest.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

/// Magic numbers of packed kernels, and what unpacks them.
const UNPACKERS: [(&[u8], &str); 3] = [(b"\xfd7zXZ\0", "xz"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"\x1f\x8b", "gzip")];
/// The note of kernels that a monitor can start without the code that unpacks them (PVH): its name and type.
const ENTRY_NOTE: &[u8] = b"\x04\0\0\0\x08\0\0\0\x12\0\0\0Xen\0";
/// What the kernel's build puts behind the packed bytes: their unpacked size.
const SIZE_BYTES: usize = 4;

/// The kernel inside of a bzImage; `None` where this host cannot unpack it or QEMU could not start it.
/// `scratch` is a file that may be written.
pub(super) fn unpack(image: &[u8], scratch: &Path) -> io::Result<Option<Vec<u8>>> {
    let Some(payload) = payload(image) else { return Ok(None) };
    let unpacker = UNPACKERS.into_iter().find(|(magic, _)| payload.starts_with(magic));
    let (Some((_, program)), Some((packed, size))) = (unpacker, payload.split_last_chunk::<SIZE_BYTES>()) else {
        return Ok(None);
    };
    fs::write(scratch, packed)?;
    let mut command = Command::new(program);
    command.arg("-dc").stdin(Stdio::from(File::open(scratch)?)).stderr(Stdio::null());
    let unpacked = command.output();
    fs::remove_file(scratch)?;
    // Without the program the guest does it.
    let Ok(unpacked) = unpacked else { return Ok(None) };
    let kernel = unpacked.stdout;
    let whole = kernel.len() == u32::from_le_bytes(*size) as usize && kernel.starts_with(b"\x7fELF");
    Ok(Some(kernel).filter(|kernel| whole && has_entry(kernel)))
}

/// The packed bytes, by the header of the boot protocol from version 2.08 on.
fn payload(image: &[u8]) -> Option<&[u8]> {
    let word = |at: usize| Some(u32::from_le_bytes(image.get(at..at + 4)?.try_into().ok()?) as usize);
    let version = u16::from_le_bytes(image.get(0x206..0x208)?.try_into().ok()?);
    if version < 0x208 {
        return None;
    }
    let sectors = match image.get(0x1f1)? {
        0 => 4,
        count => usize::from(*count),
    };
    let at = (sectors + 1) * 512 + word(0x248)?;
    image.get(at..at.checked_add(word(0x24c)?)?)
}

fn has_entry(kernel: &[u8]) -> bool {
    // Notes lie anywhere in the file, aligned to words.
    kernel
        .chunks_exact(4)
        .zip(0..)
        .any(|(word, number)| word == &ENTRY_NOTE[..4] && kernel[number * 4..].starts_with(ENTRY_NOTE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(note: &[u8]) -> Vec<u8> {
        [b"\x7fELF".as_slice(), &[0; 60], note, &[7; 5000]].concat()
    }

    fn image(packed: &[u8], size: usize) -> Vec<u8> {
        let mut bytes = vec![0; 0x400];
        bytes[0x1f1] = 1;
        bytes[0x206..0x208].copy_from_slice(&0x20f_u16.to_le_bytes());
        bytes[0x24c..0x250].copy_from_slice(&(packed.len() as u32 + 4).to_le_bytes());
        bytes.extend_from_slice(packed);
        bytes.extend_from_slice(&(size as u32).to_le_bytes());
        bytes
    }

    fn pack(program: &str, content: &[u8], dir: &Path) -> Vec<u8> {
        let file = dir.join("content");
        fs::write(&file, content).unwrap();
        let packed = Command::new(program).arg("-c").stdin(File::open(file).unwrap()).output();
        packed.expect("every system has gzip").stdout
    }

    #[test]
    fn unpacks_what_a_monitor_can_start() {
        let dir = tempfile::tempdir().unwrap();
        let scratch = dir.path().join("scratch");
        for (content, expected) in [(kernel(ENTRY_NOTE), true), (kernel(b"no note"), false)] {
            let packed = pack("gzip", &content, dir.path());
            let unpacked = unpack(&image(&packed, content.len()), &scratch).unwrap();
            assert_eq!(unpacked, expected.then_some(content));
            assert!(!scratch.exists());
        }
    }

    #[test]
    fn leaves_what_it_does_not_understand_to_the_guest() {
        let dir = tempfile::tempdir().unwrap();
        let scratch = dir.path().join("scratch");
        let content = kernel(ENTRY_NOTE);
        let packed = pack("gzip", &content, dir.path());
        let mut old = image(&packed, content.len());
        old[0x206] = 7;
        old[0x207] = 2;
        let cut = image(&packed[..packed.len() / 2], content.len());
        let other = image(b"LZ4 or so, which is not known", 5000);
        for image in [old, cut, other, b"short".to_vec()] {
            assert_eq!(unpack(&image, &scratch).unwrap(), None);
        }
    }
}
