//! The first program of a guest: loads the kernel's modules, shows the host's folders, and becomes Kobel's agent.
//!
//! `build.rs` links it statically, because it runs before any file of the host is seen. It uses nothing but the
//! standard library, so that it can be compiled on its own. When it fails it says why on the console and ends, and the
//! kernel ends the machine.

use std::error::Error;
use std::ffi::{CString, c_char, c_int, c_long, c_ulong, c_void};
use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::Path;

/// Where the root is assembled; the kernel lets nobody leave the one that it starts with in another way.
const ROOT: &str = "/root";
/// The agent and its argument.
const AGENT: [&str; 2] = ["/var/machine/kobel", "--kobel-guest"];
/// Kernels' own file systems: kind, folder.
const KERNEL_FOLDERS: [(&str, &str); 5] =
    [("devtmpfs", "dev"), ("proc", "proc"), ("sysfs", "sys"), ("cgroup2", "sys/fs/cgroup"), ("tmpfs", "run")];
/// Large messages, and pages that are kept: what is shared does not change.
const SHARE_OPTIONS: &str = "trans=virtio,version=9p2000.L,cache=loose,access=any,msize=524288";

const READ_ONLY: c_ulong = 1;
const MOVE: c_ulong = 0x2000;
/// `MODULE_INIT_COMPRESSED_FILE`
const COMPRESSED: c_int = 4;
#[cfg(target_arch = "x86_64")]
const FINIT_MODULE: c_long = 313;
#[cfg(not(target_arch = "x86_64"))]
const FINIT_MODULE: c_long = 273;
const EEXIST: i32 = 17;

// SAFETY: these are the functions of every C library for Linux.
unsafe extern "C" {
    fn mount(
        source: *const c_char,
        target: *const c_char,
        kind: *const c_char,
        flags: c_ulong,
        data: *const c_void,
    ) -> c_int;
    fn chroot(path: *const c_char) -> c_int;
    fn syscall(number: c_long, ...) -> c_long;
}

fn main() {
    let Err(error) = run();
    println!("kobel: the guest's init failed: {error}");
}

fn run() -> Result<std::convert::Infallible, Box<dyn Error>> {
    let plan = fs::read_to_string("/plan")?;
    fs::create_dir_all(ROOT)?;
    attach("root", ROOT, "tmpfs", 0, "mode=0755")?;
    for step in plan.lines() {
        let done = match step.split(' ').collect::<Vec<_>>()[..] {
            ["module", name] => load(name),
            ["link", name, target] => symlink(target, Path::new(ROOT).join(name)),
            ["share", tag] => show(tag, &format!("{ROOT}/{tag}"), "9p", READ_ONLY, SHARE_OPTIONS),
            _ => Err(io::Error::other("an unknown step")),
        };
        done.map_err(|error| format!("{step}: {error}"))?;
    }
    for (kind, folder) in KERNEL_FOLDERS {
        show(kind, &format!("{ROOT}/{folder}"), kind, 0, "").map_err(|error| format!("{folder}: {error}"))?;
    }
    enter()?;
    Err(std::process::Command::new(AGENT[0]).arg(AGENT[1]).exec().into())
}

fn load(name: &str) -> io::Result<()> {
    let file = fs::File::open(Path::new("/").join(name))?;
    let flags = if name.ends_with(".ko") { 0 } else { COMPRESSED };
    // SAFETY: passes an open descriptor, an empty string and flags.
    if unsafe { syscall(FINIT_MODULE, file.as_raw_fd(), c"".as_ptr(), flags) } == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    if error.raw_os_error() == Some(EEXIST) { Ok(()) } else { Err(error) }
}

/// Makes the folder and attaches a file system there.
fn show(source: &str, folder: &str, kind: &str, flags: c_ulong, options: &str) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    attach(source, folder, kind, flags, options)
}

fn attach(source: &str, folder: &str, kind: &str, flags: c_ulong, options: &str) -> io::Result<()> {
    let [source, folder, kind, options] = [source, folder, kind, options].map(CString::new);
    let (source, folder, kind, options) = (source?, folder?, kind?, options?);
    // SAFETY: four strings that end with null.
    let result = unsafe { mount(source.as_ptr(), folder.as_ptr(), kind.as_ptr(), flags, options.as_ptr().cast()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Makes the assembled root the root.
fn enter() -> io::Result<()> {
    std::env::set_current_dir(ROOT)?;
    attach(".", "/", "", MOVE, "")?;
    // SAFETY: a string that ends with null.
    if unsafe { chroot(c".".as_ptr()) } < 0 {
        return Err(io::Error::last_os_error());
    }
    std::env::set_current_dir("/")
}
