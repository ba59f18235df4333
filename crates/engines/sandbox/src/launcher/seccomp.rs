//! The system call filter of functions: what no function needs and what has broken kernels.
//!
//! Calls are refused with EPERM, or with ENOSYS where programs then use another one. A call with a
//! number that is not known here does not exist. The program is a search tree, so that it is short
//! on every path.

use std::collections::BTreeMap;

use libc::{c_long, sock_filter};

/// The last system call number that was reviewed; later ones do not exist for functions.
const LAST_REVIEWED: u32 = 466;

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;

/// Refused with EPERM.
const FORBIDDEN: &[c_long] = &[
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_bpf,
    libc::SYS_chroot,
    libc::SYS_clock_adjtime,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_fanotify_init,
    libc::SYS_fanotify_mark,
    libc::SYS_finit_module,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_init_module,
    libc::SYS_kcmp,
    libc::SYS_kexec_file_load,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_lookup_dcookie,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_move_pages,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_personality,
    libc::SYS_pidfd_getfd,
    libc::SYS_pivot_root,
    libc::SYS_process_madvise,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_setdomainname,
    libc::SYS_sethostname,
    libc::SYS_setns,
    libc::SYS_settimeofday,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_syslog,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_userfaultfd,
    libc::SYS_vhangup,
];

/// Of this architecture alone.
#[cfg(target_arch = "x86_64")]
const FORBIDDEN_HERE: &[c_long] = &[
    libc::SYS__sysctl,
    libc::SYS_ioperm,
    libc::SYS_iopl,
    libc::SYS_modify_ldt,
    libc::SYS_nfsservctl,
    libc::SYS_sysfs,
    libc::SYS_uselib,
    libc::SYS_ustat,
];
#[cfg(target_arch = "aarch64")]
const FORBIDDEN_HERE: &[c_long] = &[libc::SYS_nfsservctl];

/// Programs have another way. `clone3` hides its flags from filters, `clone` shows them.
const ABSENT: &[c_long] =
    &[libc::SYS_clone3, libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_io_uring_register];

/// `clone` with any of these makes namespaces.
const NAMESPACES: u32 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u32;

/// The only kinds of sockets; netlink is what lists network interfaces.
const SOCKET_FAMILIES: [i32; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

const fn refuse(errno: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | errno as u32
}

/// Who is filtered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Every process of a function.
    Runtime,
    /// A template, which enters the sandboxes of its children.
    Template,
}

/// The filter.
pub(super) fn program(role: Role) -> Vec<sock_filter> {
    let mut program = vec![load(4), jump(libc::BPF_JEQ, ARCHITECTURE, 1, 0), give(KILL), load(0)];
    program.extend(guarded(libc::SYS_clone, clone_rule(role)));
    program.extend(guarded(libc::SYS_socket, socket_rule()));
    program.extend(tree(&intervals(role)));
    program
}

/// Whether the call is `number`; then `rule` decides, which ends in a return on every path.
fn guarded(number: c_long, rule: Vec<sock_filter>) -> Vec<sock_filter> {
    let mut code = vec![jump(libc::BPF_JEQ, number as u32, 0, rule.len() as u8)];
    code.extend(rule);
    code
}

/// Children of the launcher are borne by templates alone: nobody would reap others.
fn clone_rule(role: Role) -> Vec<sock_filter> {
    let refused = NAMESPACES | if role == Role::Runtime { libc::CLONE_PARENT as u32 } else { 0 };
    vec![load(16), jump(libc::BPF_JSET, refused, 0, 1), give(refuse(libc::EPERM)), give(ALLOW)]
}

fn socket_rule() -> Vec<sock_filter> {
    let mut rule = vec![load(16)];
    let count = SOCKET_FAMILIES.len();
    for (index, family) in SOCKET_FAMILIES.into_iter().enumerate() {
        rule.push(jump(libc::BPF_JEQ, family as u32, (count - index) as u8, 0));
    }
    rule.push(give(refuse(libc::EAFNOSUPPORT)));
    rule.push(give(ALLOW));
    rule
}

/// Call numbers from which on an answer holds, in order.
fn intervals(role: Role) -> Vec<(u32, u32)> {
    let mut answers = BTreeMap::new();
    answers.extend(FORBIDDEN.iter().chain(FORBIDDEN_HERE).map(|number| (*number as u32, refuse(libc::EPERM))));
    answers.extend(ABSENT.iter().map(|number| (*number as u32, refuse(libc::ENOSYS))));
    if role == Role::Template {
        answers.remove(&(libc::SYS_setns as u32));
    }
    let mut intervals = vec![(0, ALLOW)];
    let mut push = |from: u32, answer: u32| match intervals.last_mut() {
        Some(last) if last.0 == from => last.1 = answer,
        Some(last) if last.1 == answer => {}
        _ => intervals.push((from, answer)),
    };
    for (number, answer) in answers {
        push(number, answer);
        push(number + 1, ALLOW);
    }
    push(LAST_REVIEWED + 1, refuse(libc::ENOSYS));
    intervals
}

fn tree(intervals: &[(u32, u32)]) -> Vec<sock_filter> {
    if let [(_, answer)] = intervals {
        return vec![give(*answer)];
    }
    let (low, high) = intervals.split_at(intervals.len() / 2);
    let below = tree(low);
    let over = u8::try_from(below.len()).expect("half of the tree is shorter than 256 instructions");
    let mut code = vec![jump(libc::BPF_JGE, high[0].0, over, 0)];
    code.extend(below);
    code.extend(tree(high));
    code
}

/// Loads the word at `offset` of `seccomp_data`: 0 number, 4 architecture, 16 first argument.
fn load(offset: u32) -> sock_filter {
    sock_filter { code: (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, jt: 0, jf: 0, k: offset }
}

fn jump(condition: u32, value: u32, if_true: u8, if_false: u8) -> sock_filter {
    sock_filter { code: (libc::BPF_JMP | condition | libc::BPF_K) as u16, jt: if_true, jf: if_false, k: value }
}

fn give(answer: u32) -> sock_filter {
    sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: answer }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the program as the kernel would.
    fn answer(number: c_long, argument: u32) -> u32 {
        answer_to(Role::Runtime, number, argument)
    }

    fn answer_to(role: Role, number: c_long, argument: u32) -> u32 {
        let program = program(role);
        let (mut at, mut word) = (0, 0);
        loop {
            let instruction = program[at];
            at += 1;
            let code = u32::from(instruction.code);
            let taken = match code & 0xf7 {
                code if code == libc::BPF_RET => return instruction.k,
                code if code & 0x07 == libc::BPF_LD => {
                    word = match instruction.k {
                        0 => number as u32,
                        4 => ARCHITECTURE,
                        _ => argument,
                    };
                    continue;
                }
                code if code & 0xf0 == libc::BPF_JEQ => word == instruction.k,
                code if code & 0xf0 == libc::BPF_JGE => word >= instruction.k,
                code if code & 0xf0 == libc::BPF_JSET => word & instruction.k != 0,
                other => panic!("unexpected instruction {other}"),
            };
            at += usize::from(if taken { instruction.jt } else { instruction.jf });
        }
    }

    #[test]
    fn refuses_what_is_listed_and_allows_the_rest() {
        for number in FORBIDDEN.iter().chain(FORBIDDEN_HERE) {
            assert_eq!(answer(*number, 0), refuse(libc::EPERM), "{number}");
        }
        for number in ABSENT {
            assert_eq!(answer(*number, 0), refuse(libc::ENOSYS), "{number}");
        }
        for number in [libc::SYS_read, libc::SYS_execve, libc::SYS_futex, libc::SYS_openat, libc::SYS_close_range] {
            assert_eq!(answer(number, 0), ALLOW, "{number}");
        }
        assert_eq!(answer(c_long::from(LAST_REVIEWED) + 1, 0), refuse(libc::ENOSYS));
        assert_eq!(answer(0x4000_0000 + libc::SYS_read, 0), refuse(libc::ENOSYS));
    }

    #[test]
    fn templates_enter_namespaces_and_make_none() {
        assert_eq!(answer_to(Role::Template, libc::SYS_setns, 0), ALLOW);
        for number in FORBIDDEN.iter().filter(|number| **number != libc::SYS_setns) {
            assert_eq!(answer_to(Role::Template, *number, 0), refuse(libc::EPERM), "{number}");
        }
        assert_eq!(answer_to(Role::Template, libc::SYS_clone, libc::CLONE_NEWPID as u32), refuse(libc::EPERM));
        assert_eq!(answer_to(Role::Template, libc::SYS_clone, libc::CLONE_PARENT as u32), ALLOW);
        // `open_tree_attr`, which is newer than the names known here, would make mounts writable.
        assert_eq!(answer_to(Role::Template, 467, 0), refuse(libc::ENOSYS));
    }

    #[test]
    fn looks_at_arguments_of_clone_and_socket() {
        assert_eq!(answer(libc::SYS_clone, libc::SIGCHLD as u32), ALLOW);
        assert_eq!(answer(libc::SYS_clone, libc::CLONE_NEWUSER as u32), refuse(libc::EPERM));
        assert_eq!(answer(libc::SYS_clone, libc::CLONE_PARENT as u32), refuse(libc::EPERM));
        assert_eq!(answer(libc::SYS_socket, libc::AF_INET as u32), ALLOW);
        assert_eq!(answer(libc::SYS_socket, libc::AF_NETLINK as u32), ALLOW);
        assert_eq!(answer(libc::SYS_socket, libc::AF_VSOCK as u32), refuse(libc::EAFNOSUPPORT));
        assert_eq!(answer(libc::SYS_socket, libc::AF_PACKET as u32), refuse(libc::EAFNOSUPPORT));
    }
}
