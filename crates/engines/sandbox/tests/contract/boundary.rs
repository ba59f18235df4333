//! The boundary of the namespaces driver: what a hostile function cannot do.

use std::process::Command;

use sandbox::{FunctionError, Isolation};
use serde_json::{Value, json};

use crate::bench::{Bench, event, response, until};

/// Runs statements that leave their finding in `result`.
async fn run(bench: &Bench, memory_mb: u32, statements: &str) -> Value {
    let body: String = statements.lines().map(|line| format!("    {line}\n")).collect();
    let code = format!(
        "import os, socket, ctypes, errno, subprocess, threading\ndef handler(event, context):\n{body}    return result\n"
    );
    let code = bench.code(&[("app.py", &code)]);
    let mut spec = bench.spec("python3.12", "app.handler", code);
    spec.memory_mb = memory_mb;
    spec.ephemeral_storage_mb = 512;
    let environment = bench.start(spec).await;
    response(environment.invoke(event("{}")).await, &bench.lines)
}

#[tokio::test(flavor = "multi_thread")]
async fn hides_the_files_of_the_host() {
    let bench = Bench::new(Isolation::Namespaces).await;
    let secret = bench.dir.path().join("state/secret");
    std::fs::write(&secret, "secret").unwrap();
    let paths = [
        secret.to_str().unwrap(),
        "/root",
        "/home",
        "/work",
        "/sys/kernel",
        "/etc/shadow",
        "/proc/1/environ",
        "/proc/1/root/etc",
        "/proc/1/mem",
        "/dev/kmsg",
        "/dev/vda",
    ];
    let code = format!(
        "found = []\nfor path in {paths:?}:\n    try:\n        found.append((path, os.listdir(path) if os.path.isdir(path) else open(path, 'rb').read(1).decode()))\n    \
         except OSError:\n        pass\nresult = [found, sorted(os.listdir('/'))]"
    );
    let result = run(&bench, 256, &code).await;
    assert_eq!(result[0], json!([]));
    let top: Vec<&str> = result[1].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let allowed = ["bin", "dev", "etc", "lib", "lib32", "lib64", "libx32", "opt", "proc", "sbin", "tmp", "usr", "var"];
    assert!(top.iter().all(|name| allowed.contains(name)), "{top:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_to_tmp_alone() {
    let bench = Bench::new(Isolation::Namespaces).await;
    let code = "result = []\nfor folder in ['/', '/var/task', '/opt', '/usr', '/etc', '/dev', '/var/runtime', '/var/lang', '/tmp']:\n    \
                try:\n        open(folder + '/new', 'w').close(); result.append(folder)\n    except OSError as error:\n        \
                if error.errno not in (errno.EROFS, errno.EACCES): result.append(str(error))";
    assert_eq!(run(&bench, 256, code).await, json!(["/tmp"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_tmp_and_does_not_count_it_as_memory() {
    let bench = Bench::new(Isolation::Namespaces).await;
    let code = "block = b'x' * (1 << 20)\nwritten = 0\ntry:\n    with open('/tmp/big', 'wb', 0) as file:\n        \
                while written < 2000: file.write(block); written += 1\nexcept OSError as error:\n    \
                result = [written, errno.errorcode[error.errno]]";
    let result = run(&bench, 128, code).await;
    assert_eq!(result[1], "ENOSPC");
    assert!((500..=512).contains(&result[0].as_u64().unwrap()), "{result}");
}

#[tokio::test(flavor = "multi_thread")]
async fn reaches_nothing_of_the_host_but_the_endpoint() {
    let bench = Bench::new(Isolation::Namespaces).await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let code = format!(
        "def attempt(host, port):\n    try:\n        socket.create_connection((host, port), 2)\n        return 'connected'\n    \
         except OSError as error:\n        return errno.errorcode[error.errno]\n\
         result = [attempt('127.0.0.1', {port}), attempt('169.254.169.254', 80), attempt('192.0.0.1', {port}), [name for _, name in socket.if_nameindex()]]"
    );
    let result = run(&bench, 256, &code).await;
    assert_eq!(result[0], "ECONNREFUSED");
    assert_eq!(result[1], "EHOSTUNREACH");
    assert_eq!(result[2], "EHOSTUNREACH");
    assert!(result[3].as_array().unwrap().contains(&json!("lo")));
}

#[tokio::test(flavor = "multi_thread")]
async fn sees_its_own_processes_alone_and_has_no_privileges() {
    let bench = Bench::new(Isolation::Namespaces).await;
    let code = "status = dict(line.split(':\\t', 1) for line in open('/proc/self/status').read().splitlines() if ':\\t' in line)\n\
                pids = [name for name in os.listdir('/proc') if name.isdigit()]\n\
                result = [len(pids) <= 2, os.getuid(), os.getgid(), os.getgroups() in ([], [65534]), status['CapEff'].strip('0'), status['CapBnd'].strip('0'), \
                status['NoNewPrivs'], status['Seccomp'], socket.gethostname(), os.environ.get('HOME')]";
    let expected = json!([true, 993, 990, true, "", "", "1", "2", "sandbox", null]);
    assert_eq!(run(&bench, 256, code).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn is_refused_what_has_broken_kernels() {
    let bench = Bench::new(Isolation::Namespaces).await;
    let code = "libc = ctypes.CDLL(None, use_errno=True)\ndef attempt(name, *arguments):\n    \
                value = getattr(libc, name)(*arguments)\n    return errno.errorcode[ctypes.get_errno()] if value == -1 else 'allowed'\n\
                result = [attempt('unshare', 0x10000000), attempt('mount', b'x', b'/tmp', b'tmpfs', 0, None), attempt('ptrace', 16, 1, 0, 0), \
                attempt('setns', 0, 0), attempt('chroot', b'/tmp'), attempt('socket', 40, 1, 0), attempt('syscall', 425, 1, 0), attempt('kill', 1, 9), os.path.exists('/proc/1')]";
    let expected = json!(["EPERM", "EPERM", "EPERM", "EPERM", "EPERM", "EAFNOSUPPORT", "ENOSYS", "allowed", true]);
    assert_eq!(run(&bench, 256, code).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn bounds_a_fork_bomb() {
    let bench = Bench::new(Isolation::Namespaces).await;
    let code = "made = 0\ntry:\n    while made < 3000:\n        pid = os.fork()\n        if pid == 0:\n            \
                threading.Event().wait()\n        made += 1\nexcept OSError as error:\n    result = [made, errno.errorcode[error.errno]]";
    let result = run(&bench, 1024, code).await;
    assert_eq!(result[1], "EAGAIN");
    assert!(result[0].as_u64().unwrap() <= 1024, "{result}");
}

#[tokio::test(flavor = "multi_thread")]
async fn leaves_nothing_when_it_stops() {
    let bench = Bench::new(Isolation::Namespaces).await;
    let marker = format!("9{:08}", std::process::id());
    let code = format!(
        "import subprocess\nsubprocess.Popen(['sleep', '{marker}'], start_new_session=True)\ndef handler(event, context):\n    pass\n"
    );
    let environment = bench.python(&code).await;
    until("the child runs", || is_running(&marker)).await;
    environment.stop().await;
    assert!(!is_running(&marker));
}

#[tokio::test(flavor = "multi_thread")]
async fn survives_the_death_of_the_launcher() {
    let bench = Bench::new(Isolation::Namespaces).await;
    let marker = format!("8{:08}", std::process::id());
    let code = format!(
        "import subprocess\nsubprocess.Popen(['sleep', '{marker}'])\ndef handler(event, context):\n    return 1\n"
    );
    let environment = bench.python(&code).await;
    until("the child runs", || is_running(&marker)).await;
    let launcher = launcher_of(&bench);
    assert!(Command::new("kill").args(["-9", &launcher.to_string()]).status().unwrap().success());
    environment.ended().await;
    assert!(!environment.is_alive());
    until("nothing runs", || !is_running(&marker)).await;
    let outcome = environment.invoke(event("{}")).await;
    assert!(matches!(outcome.result, Err(FunctionError::Exited { .. })));
    let next = bench.python("def handler(event, context):\n    return 2\n").await;
    assert_eq!(response(next.invoke(event("{}")).await, &bench.lines), json!(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn tells_what_the_host_gives() {
    let bench = Bench::new(Isolation::Namespaces).await;
    let capabilities = bench.sandbox.capabilities();
    assert_eq!(capabilities.driver, "namespaces");
    assert!(capabilities.features.iter().any(|feature| feature.name == "seccomp" && feature.on));
    assert!(capabilities.features.iter().all(|feature| !feature.detail.is_empty()));
}

/// Whether a process sleeps that long: the number marks the test's own child.
fn is_running(marker: &str) -> bool {
    processes().any(|(_, command)| command == format!("sleep\0{marker}\0"))
}

/// The launcher that this bench's sandbox runs: the one that has its state folder mounted.
fn launcher_of(bench: &Bench) -> u32 {
    let root = bench.dir.path().join("state/root");
    let owns = |pid: &u32| {
        let mounts = std::fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
        mounts.contains(root.to_str().unwrap())
    };
    let launchers = processes().filter(|(_, command)| command.ends_with("--kobel-launcher\0")).map(|(pid, _)| pid);
    launchers.filter(owns).min().expect("the launcher runs")
}

fn processes() -> impl Iterator<Item = (u32, String)> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        Some((pid, std::fs::read_to_string(entry.path().join("cmdline")).ok()?))
    })
}
