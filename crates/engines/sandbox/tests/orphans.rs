//! A server that is killed leaves nothing running, and its successor cleans up.
//!
//! Run with an argument this program is such a server; without, it is the test.

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |argument: &str| arguments.iter().any(|given| given == argument);
    match arguments.as_slice() {
        [role, dir] if role == "serve" => server::serve(dir.into()),
        // Test runners ask for the names first, and for those of ignored tests.
        _ if has("--list") && has("--ignored") => {}
        _ if has("--list") => println!("leaves_nothing_running: test"),
        _ => {
            test::leaves_nothing_running();
            println!("leaves_nothing_running ... ok");
        }
    }
}

#[cfg(target_os = "linux")]
mod server {
    use std::collections::BTreeMap;
    use std::path::PathBuf;
    use std::sync::Arc;
    use std::time::Duration;

    use sandbox::{Config, EnvironmentSpec, Isolation, Line, Output, Sandbox};

    struct Nowhere;

    impl Output for Nowhere {
        fn line(&self, _: Line) {}
    }

    /// Starts one environment with each driver, says so, and waits to be killed.
    pub fn serve(dir: PathBuf) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("runtime");
        runtime.block_on(async {
            let mut kept = Vec::new();
            for (name, isolation) in [("isolated", Isolation::Namespaces), ("plain", Isolation::Process)] {
                let mut config = Config::new(dir.join(name), 4566, Arc::new(|_, _| {}));
                config.isolation = isolation;
                config.launcher = Some(env!("CARGO_BIN_EXE_kobel-sandbox-launcher").into());
                let sandbox = Sandbox::open(config).expect("sandbox");
                let spec = EnvironmentSpec {
                    id: name.to_owned(),
                    runtime: "provided.al2023".to_owned(),
                    image: None,
                    handler: name.to_owned(),
                    code: dir.join("code"),
                    layers: Vec::new(),
                    variables: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
                    memory_mb: 256,
                    ephemeral_storage_mb: 512,
                    network: None,
                    init_timeout: Duration::from_secs(60),
                    credentials: None,
                    account_id: None,
                    telemetry: sandbox::Telemetry::default(),
                };
                let environment = sandbox.start(spec, Arc::new(Nowhere)).await.expect("environment");
                kept.push((sandbox, environment));
            }
            println!("serving");
            std::future::pending::<()>().await;
        });
    }
}

#[cfg(target_os = "linux")]
mod test {
    use std::io::{BufRead, BufReader};
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::process::{Command, Stdio};

    /// Takes part in the Runtime API, and then never does anything. A plain process has no namespace
    /// with which its own children would end.
    const BOOTSTRAP: &str = "#!/usr/bin/env python3\nimport http.client, os\n\
        api = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])\n\
        if os.environ['_HANDLER'] == 'isolated' and os.fork() == 0:\n    while True: os.read(os.open('/dev/zero', os.O_RDONLY), 1); os.closerange(3, 100)\n\
        api.request('GET', '/2018-06-01/runtime/invocation/next')\napi.getresponse()\n";
    const ROUNDS_MAX: u32 = 100_000;

    pub fn leaves_nothing_running() {
        let dir = tempfile::tempdir().expect("folder");
        let bootstrap = dir.path().join("code/bootstrap");
        std::fs::create_dir_all(dir.path().join("code")).expect("folder");
        std::fs::write(&bootstrap, BOOTSTRAP).expect("file");
        std::fs::set_permissions(&bootstrap, std::fs::Permissions::from_mode(0o755)).expect("permissions");
        for _ in 0..2 {
            kill_a_server(dir.path());
        }
    }

    fn kill_a_server(dir: &Path) {
        let mut command = Command::new(std::env::current_exe().expect("path"));
        let mut server = command.arg("serve").arg(dir).stdout(Stdio::piped()).spawn().expect("server");
        let mut said = String::new();
        BufReader::new(server.stdout.take().expect("piped")).read_line(&mut said).expect("line");
        assert_eq!(said, "serving\n");
        let tree = descendants(server.id());
        assert!(tree.len() >= 5, "a launcher, an init, a runtime and its child; a plain process: {tree:?}");
        server.kill().expect("kill");
        server.wait().expect("wait");
        for _ in 0..ROUNDS_MAX {
            if tree.iter().all(|(pid, start)| start_of(*pid) != Some(*start)) {
                return;
            }
            std::thread::yield_now();
        }
        panic!(
            "still running: {:?}",
            tree.iter().filter(|(pid, start)| start_of(*pid) == Some(*start)).collect::<Vec<_>>()
        );
    }

    /// All processes below `root`, with the times at which they started.
    fn descendants(root: u32) -> Vec<(u32, u64)> {
        let mut pids = vec![root];
        let mut next = 0;
        while next < pids.len() {
            let tasks = std::fs::read_dir(format!("/proc/{}/task", pids[next])).expect("tasks");
            for task in tasks.flatten() {
                let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
                pids.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
            }
            next += 1;
        }
        pids[1..].iter().filter_map(|pid| Some((*pid, start_of(*pid)?))).collect()
    }

    /// When the process started, if it runs; a zombie does not.
    fn start_of(pid: u32) -> Option<u64> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let state = fields.next()?;
        (state != "Z" && state != "X").then(|| fields.nth(18)?.parse().ok())?
    }
}
