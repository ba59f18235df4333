//! Stems: booted interpreters without user code, which the launcher has forked into sandboxes.
//!
//! A stem is trusted: it runs the interpreter and Kobel's own bootstrap in a root like that of functions, with the
//! launcher's privileges, which each of its children gives up before it runs anything else. The other side of
//! the conversation is `runtimes/stem/stem.c`; its structures are written here byte for byte.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::mount::{MountFlags, mount};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, socketpair};
use rustix::pipe::PipeFlags;

use super::birth::{INNER_GID, INNER_UID};
use super::message::{self, Stem as Specification};
use super::root::Root;
use super::seccomp::Role;
use super::sys::{self, Fork};
use super::{confine, init, seccomp, tree};

/// The number of the conversation's descriptor in the stem.
const CONTROL_FD: i32 = 3;
/// The variable that tells a stem's bootstrap that number.
const CONTROL_VARIABLE: &str = "_KOBEL_STEM";
/// How much of a stem's last words is read, in bytes.
const LAST_WORDS_MAX: usize = 4096;
/// The size of `struct answer`.
pub(super) const ANSWER_BYTES: usize = 16;

/// A stem, from the launcher's side.
pub(super) struct Stem {
    pub name: String,
    pub pid: i32,
    pub socket: OwnedFd,
    /// Children that were ordered and not answered yet, by their serial numbers.
    pub ordered: Vec<u64>,
    booted: bool,
    /// What it wrote: nothing, unless it fails.
    words: OwnedFd,
}

/// `struct order` of the library: one child.
pub(super) struct Order {
    /// The sandbox's.
    pub serial: u64,
    pub pids_max: u32,
    pub group_version: u8,
    /// Whether the child becomes a template.
    pub is_template: bool,
}

impl Order {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.serial.to_ne_bytes().to_vec();
        let rest = [self.pids_max, u32::from(self.group_version), u32::from(self.is_template), 0];
        bytes.extend(rest.iter().flat_map(|number| number.to_ne_bytes()));
        bytes
    }
}

/// What a stem says.
pub(super) enum Answer {
    Booted,
    /// The runtime of the sandbox with this serial number, or why it was not born.
    Born {
        serial: u64,
        pid: io::Result<i32>,
    },
    /// It is gone.
    Gone,
}

impl Stem {
    /// Starts a stem. It tells when it has booted.
    pub(super) fn plant(root: &Root, specification: Specification, clear_groups: bool) -> io::Result<Stem> {
        let (socket, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        rustix::net::send(&socket, &setup(clear_groups), SendFlags::NOSIGNAL)?;
        let (words, output) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let root = root.copy()?;
        let proc = sys::copy_tree(Path::new("/proc"))?;
        let lang = specification.lang.as_deref().map(tree::read_only).transpose()?;
        match sys::clone(libc::CLONE_NEWNS, None)? {
            Fork::Child => {
                sys::close_all_but(
                    3,
                    [Some(&root), Some(&proc), Some(&theirs), Some(&output), lang.as_ref()]
                        .into_iter()
                        .flatten()
                        .map(AsRawFd::as_raw_fd)
                        .collect(),
                );
                let folders = Folders { root: &root, proc: &proc, lang: lang.as_ref() };
                let error = become_stem(&specification, &folders, &theirs, &output);
                let _ = rustix::io::write(&output, error.to_string().as_bytes());
                sys::leave(1)
            }
            Fork::Parent { pid, .. } => {
                Ok(Stem { name: specification.name, pid, socket, ordered: Vec::new(), booted: false, words })
            }
        }
    }

    /// Orders a child into a sandbox. The descriptors are those that `struct order` names.
    pub(super) fn order(&mut self, order: Order, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        message::send_bytes(&self.socket, &order.to_bytes(), descriptors)?;
        self.ordered.push(order.serial);
        Ok(())
    }

    /// What it complained of before it ended.
    pub(super) fn last_words(&self) -> String {
        let mut buffer = [0; LAST_WORDS_MAX];
        let count = rustix::io::read(&self.words, &mut buffer[..]).unwrap_or(0);
        String::from_utf8_lossy(&buffer[..count]).trim_end().to_owned()
    }

    /// Hears one answer.
    pub(super) fn hear(&mut self) -> Answer {
        let mut bytes = [0; ANSWER_BYTES];
        match message::receive_bytes(&self.socket, &mut bytes) {
            Ok((ANSWER_BYTES, _)) => {}
            Ok(_) | Err(_) => return Answer::Gone,
        }
        let (serial, pid) = answer_of(&bytes);
        match i32::try_from(pid) {
            Ok(0) => {
                self.booted = true;
                Answer::Booted
            }
            Ok(_) if !self.booted => Answer::Gone,
            Ok(pid) => {
                self.ordered.retain(|ordered| *ordered != serial);
                let pid = if pid < 0 { Err(io::Error::from_raw_os_error(-pid)) } else { Ok(pid) };
                Answer::Born { serial, pid }
            }
            Err(_) => Answer::Gone,
        }
    }
}

/// Serial and process of `struct answer` of the library.
pub(super) fn answer_of(bytes: &[u8; ANSWER_BYTES]) -> (u64, i64) {
    let (serial, pid) = bytes.split_at(8);
    let serial = u64::from_ne_bytes(serial.try_into().expect("eight bytes"));
    (serial, i64::from_ne_bytes(pid.try_into().expect("eight bytes")))
}

/// `struct setup` of the library.
fn setup(clear_groups: bool) -> Vec<u8> {
    let [mut filter, for_templates] = [Role::Runtime, Role::Template].map(seccomp::program);
    let lengths = [filter.len(), for_templates.len()].map(|length| u32::try_from(length).unwrap_or(u32::MAX));
    filter.extend(for_templates);
    let [length, template_length] = lengths;
    let open_files_max = confine::OPEN_FILES_MAX as u32;
    let head = [INNER_UID, INNER_GID, u32::from(clear_groups), open_files_max, length, template_length];
    let mut bytes: Vec<u8> = head.iter().flat_map(|number| number.to_ne_bytes()).collect();
    for instruction in filter {
        bytes.extend_from_slice(&instruction.code.to_ne_bytes());
        bytes.extend_from_slice(&[instruction.jt, instruction.jf]);
        bytes.extend_from_slice(&instruction.k.to_ne_bytes());
    }
    bytes
}

/// What a stem's root is made of.
struct Folders<'a> {
    root: &'a OwnedFd,
    proc: &'a OwnedFd,
    lang: Option<&'a OwnedFd>,
}

/// Runs in the stem's process: enters a root like that of functions and executes the interpreter.
fn become_stem(specification: &Specification, folders: &Folders<'_>, control: &OwnedFd, output: &OwnedFd) -> io::Error {
    let prepared = (|| {
        sys::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as u64)?;
        init::stage(folders.root, init::STAGING)?;
        init::attach(folders.proc, Path::new("proc")).map_err(sys::at("attach /proc"))?;
        if let Some(lang) = folders.lang {
            init::attach(lang, Path::new("var/lang")).map_err(sys::at("attach the interpreter"))?;
        }
        mount("tmp", "tmp", "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, None)?;
        init::become_root()?;
        let null = rustix::fs::open("/dev/null", rustix::fs::OFlags::RDWR, rustix::fs::Mode::empty())?;
        sys::place(null.as_raw_fd(), 0)?;
        // A pipe, as in its children: interpreters look once what these are.
        let output = rustix::io::fcntl_dupfd_cloexec(output, 64)?;
        sys::place(output.as_raw_fd(), 1)?;
        sys::place(output.as_raw_fd(), 2)?;
        // Out of the way first: it may have that number already, and be closed on exec.
        let control = rustix::io::fcntl_dupfd_cloexec(control, 64)?;
        sys::place(control.as_raw_fd(), CONTROL_FD)?;
        // Closed below with all others, or replaced by now.
        std::mem::forget((control, output, null));
        sys::close_range(CONTROL_FD as u32 + 1, u32::MAX);
        sys::default_signals();
        let mut variables = confine::strings(&specification.variables)?;
        variables.extend(confine::strings(&[format!("{CONTROL_VARIABLE}={CONTROL_FD}")])?);
        Ok::<_, io::Error>((confine::strings(&specification.arguments)?, variables))
    })();
    match prepared {
        Ok((arguments, variables)) => sys::execute(&arguments, &variables),
        Err(error) => error,
    }
}
