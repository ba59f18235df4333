//! The test: kills a server half-way, lets another one take over, and looks for what is left.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::churn;
use crate::traces;

/// How many environments there are unless the variable says so, for each user.
const ENVIRONMENTS: usize = 320;
const VARIABLE: &str = "KOBEL_LEAK_ENVIRONMENTS";
/// The user without any rights.
const NOBODY: u32 = 65_534;
/// How often it is looked again before what is left counts as left.
const LOOKS_MAX: u32 = 100_000;

pub fn nothing_is_left_behind() {
    let given = std::env::var(VARIABLE).ok().map(|text| text.parse().expect("a number of environments"));
    let count = given.unwrap_or(ENVIRONMENTS);
    let users = if rustix::process::geteuid().is_root() { vec![None, Some(NOBODY)] } else { vec![None] };
    for user in users {
        let dir = furnished(user);
        kill_half_way(dir.path(), user, count / 2);
        take_over(dir.path(), user, count - count / 2);
    }
}

/// A folder with all that the server needs, which its user may read.
fn furnished(user: Option<u32>) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    churn::furnish(dir.path()).expect("files");
    let own = std::env::current_exe().expect("a path");
    for (from, to) in [
        (own.clone(), "server"),
        (own, "code/bootstrap"),
        (PathBuf::from(env!("CARGO_BIN_EXE_kobel-sandbox-launcher")), "launcher"),
    ] {
        fs::copy(from, dir.path().join(to)).expect("a program");
    }
    fs::create_dir(dir.path().join("state")).expect("a folder");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("permissions");
    std::os::unix::fs::chown(dir.path().join("state"), user, user).expect("an owner");
    dir
}

struct Server {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Server {
    fn start(dir: &Path, user: Option<u32>, count: usize) -> Server {
        let mut command = Command::new(dir.join("server"));
        command.arg("serve").arg(dir).arg(count.to_string()).stdout(Stdio::piped()).current_dir("/");
        // What the superuser has at home is closed to others.
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env_remove("PYENV_ROOT").env_remove("HOME");
        if let Some(user) = user {
            command.uid(user).gid(user);
        }
        let mut process = command.spawn().expect("a server");
        let lines = BufReader::new(process.stdout.take().expect("piped")).lines();
        Server { process, lines }
    }

    fn says(&mut self, start: &str) -> String {
        let line =
            self.lines.next().and_then(Result::ok).unwrap_or_else(|| panic!("the server failed before `{start}`"));
        assert!(line.starts_with(start), "{line}");
        line
    }
}

/// Kills a server between environments that come and go.
fn kill_half_way(dir: &Path, user: Option<u32>, count: usize) {
    let mut server = Server::start(dir, user, count * 2);
    server.says("half");
    let tree = processes_of(&server);
    assert!(tree.len() > 2, "a launcher, stems and sandboxes: {tree:?}");
    server.process.kill().expect("killed");
    server.process.wait().expect("an end");
    gone("processes", || still(&tree));
}

/// A further server finds nothing that disturbs it, and leaves nothing.
fn take_over(dir: &Path, user: Option<u32>, count: usize) {
    let files = traces::files(&dir.join("state/environments"));
    assert_eq!(files, 0, "scratch folders of the killed server");
    let mut server = Server::start(dir, user, count);
    server.says("half");
    let tree = processes_of(&server);
    let names: BTreeSet<String> = traces::group_names(&tree.iter().map(|(pid, _)| *pid).collect::<Vec<_>>());
    println!("{count} environments, user {user:?}: {}", server.says("clean"));
    assert!(server.process.wait().expect("an end").success());
    gone("control groups", || names.iter().flat_map(|name| traces::groups(name)).collect::<Vec<_>>());
    gone("processes", || still(&tree));
}

/// All processes below a server, with the times at which they started.
fn processes_of(server: &Server) -> Vec<(u32, u64)> {
    let tree = traces::descendants(server.process.id());
    tree.into_iter().filter_map(|pid| Some((pid, traces::start_of(pid)?))).collect()
}

/// Those that run still.
fn still(tree: &[(u32, u64)]) -> Vec<(u32, u64)> {
    tree.iter().filter(|(pid, start)| traces::start_of(*pid) == Some(*start)).copied().collect()
}

/// Waits until nothing is left.
fn gone<T: std::fmt::Debug>(what: &str, left: impl Fn() -> Vec<T>) {
    for _ in 0..LOOKS_MAX {
        if left().is_empty() {
            return;
        }
        std::thread::yield_now();
    }
    panic!("{what} that are left: {:?}", left());
}
