//! Pages the memory of idle processes out: to swap, or to zram.

use std::fs;
use std::io;
use std::os::fd::AsRawFd;

use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// The most ranges of one call: the kernel's `UIO_MAXIOV`.
const RANGES_MAX: usize = 1024;

/// Pages out what these processes alone have in memory. Pages that a stem and its children share stay.
///
/// Blocks for some milliseconds. Needs the right to look into the processes, and `CAP_SYS_NICE`.
pub(crate) fn page_out(pids: &[i32]) -> io::Result<()> {
    for pid in pids {
        let Some(pid) = Pid::from_raw(*pid) else { continue };
        let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { continue };
        let maps = fs::read_to_string(format!("/proc/{}/maps", pid.as_raw_nonzero()))?;
        let ranges = private_ranges(&maps);
        for ranges in ranges.chunks(RANGES_MAX) {
            advise(process.as_raw_fd(), ranges)?;
        }
    }
    Ok(())
}

fn advise(process: i32, ranges: &[libc::iovec]) -> io::Result<()> {
    // SAFETY: the ranges are addresses in the other process; the kernel reads the list of them, whose length is given.
    let advised = unsafe {
        libc::syscall(libc::SYS_process_madvise, process, ranges.as_ptr(), ranges.len(), libc::MADV_PAGEOUT, 0)
    };
    if advised < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The ranges of `/proc/PID/maps` that only this process writes.
fn private_ranges(maps: &str) -> Vec<libc::iovec> {
    let range = |line: &str| {
        let (addresses, rest) = line.split_once(' ')?;
        let (start, end) = addresses.split_once('-')?;
        let private = rest.as_bytes().starts_with(b"rw") && rest.as_bytes().get(3) == Some(&b'p');
        let parse = |text| usize::from_str_radix(text, 16).ok();
        let (start, end) = (parse(start)?, parse(end)?);
        private.then_some(libc::iovec { iov_base: start as *mut libc::c_void, iov_len: end - start })
    };
    maps.lines().filter_map(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_is_private_and_written() {
        let maps = "55d0a0000000-55d0a0001000 r-xp 00000000 fe:00 1 /usr/bin/python3\n\
                    55d0a0001000-55d0a0004000 rw-p 00001000 fe:00 1 /usr/bin/python3\n\
                    55d0a0010000-55d0a0020000 rw-p 00000000 00:00 0 [heap]\n\
                    7f0000000000-7f0000001000 rw-s 00000000 00:01 7 /dev/shm/x\n\
                    7ffc00000000-7ffc00001000 r--p 00000000 00:00 0 [vvar]\n";
        let ranges: Vec<(usize, usize)> =
            private_ranges(maps).iter().map(|range| (range.iov_base as usize, range.iov_len)).collect();
        assert_eq!(ranges, [(0x55d0_a000_1000, 0x3000), (0x55d0_a001_0000, 0x1_0000)]);
    }

    /// Without swap the kernel has nowhere to put the pages; the call is the same.
    #[test]
    fn a_process_that_is_paged_out_goes_on() {
        let mut child = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let paged = page_out(&[child.id() as i32]);
        let allowed = rustix::process::geteuid().is_root();
        assert!(paged.is_ok() || !allowed, "{paged:?}");
        io::Write::write_all(&mut child.stdin.take().unwrap(), b"still here").unwrap();
        assert_eq!(io::read_to_string(child.stdout.take().unwrap()).unwrap(), "still here");
        child.wait().unwrap();
    }
}
