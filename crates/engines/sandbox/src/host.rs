//! What the host has of memory.

/// The host's memory, in MB, where it tells. A container's own limit is not looked at.
pub fn host_memory_mb() -> Option<u64> {
    #[cfg(target_os = "linux")]
    return Some(total(|info| info.totalram) >> 20);
    #[cfg(not(target_os = "linux"))]
    None
}

/// Whether memory can be paged out: to a swap device or file, or to zram.
#[cfg(target_os = "linux")]
pub(crate) fn has_swap() -> bool {
    total(|info| info.totalswap) > 0
}

#[cfg(target_os = "linux")]
fn total(of: fn(&rustix::system::Sysinfo) -> u64) -> u64 {
    let info = rustix::system::sysinfo();
    of(&info) * u64::from(info.mem_unit)
}
