//! A sandbox with an endpoint, and functions written on the spot.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use sandbox::{
    Allowed, Config, Connection, Environment, EnvironmentSpec, Invocation, Isolation, Line, Machines, NetworkConfig,
    Outcome, Output, Sandbox, StartError,
};

pub struct Bench {
    pub sandbox: Sandbox,
    pub dir: tempfile::TempDir,
    pub lines: Arc<Lines>,
    next: AtomicU32,
}

#[derive(Default)]
pub struct Lines(Mutex<Vec<Line>>);

impl Output for Lines {
    fn line(&self, line: Line) {
        self.0.lock().expect("not poisoned").push(line);
    }
}

impl Lines {
    pub fn text(&self) -> String {
        let lines = self.0.lock().expect("not poisoned");
        lines.iter().map(|line| format!("{}\n", line.text)).collect()
    }

    pub fn all(&self) -> Vec<Line> {
        self.0.lock().expect("not poisoned").clone()
    }
}

impl Bench {
    pub async fn new(isolation: Isolation) -> Bench {
        Bench::reaching(isolation, &[], &[]).await
    }

    /// One whose functions may reach these addresses, and ask these servers for names.
    pub async fn reaching(isolation: Isolation, allowed: &[Allowed], name_servers: &[SocketAddr]) -> Bench {
        let dir = tempfile::tempdir().expect("temporary folder");
        // Stands for the server: answers every connection with one word.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("port");
        let endpoint_port = listener.local_addr().expect("address").port();
        let answer = |stream: &mut dyn Write| stream.write_all(b"endpoint").expect("answer");
        std::thread::spawn(move || listener.incoming().flatten().for_each(|mut stream| answer(&mut stream)));
        let connections = move |connection, _| match connection {
            Connection::Tcp(mut stream) => answer(&mut stream),
            Connection::Carried(mut stream) => answer(&mut stream),
        };
        let mut config = Config::new(dir.path().join("state"), endpoint_port, Arc::new(connections));
        config.isolation = isolation;
        config.network =
            NetworkConfig { default: None, allowed: allowed.to_vec(), name_servers: name_servers.to_vec() };
        config.launcher = Some(launcher());
        config.runtime_dirs = vec![crate::dotnet::runtime_dir()];
        config.machines = Machines { kernel: kernel(), emulate: true };
        let sandbox = Sandbox::open(config).expect("the driver works on this host");
        Bench { sandbox, dir, lines: Arc::default(), next: AtomicU32::new(0) }
    }

    /// A folder of code with these files.
    pub fn code(&self, files: &[(&str, &str)]) -> PathBuf {
        let dir = self.dir.path().join(format!("code-{}", self.next.fetch_add(1, Ordering::Relaxed)));
        for (name, text) in files {
            let file = dir.join(name);
            std::fs::create_dir_all(file.parent().expect("parent")).expect("folder");
            std::fs::write(&file, text).expect("file");
        }
        dir
    }

    pub fn spec(&self, runtime: &str, handler: &str, code: PathBuf) -> EnvironmentSpec {
        // An emulated processor takes its time.
        let init_timeout_s = if self.sandbox.capabilities().driver == "microvm" { 150 } else { 30 };
        EnvironmentSpec {
            id: format!("e-{}", self.next.fetch_add(1, Ordering::Relaxed)),
            runtime: runtime.to_owned(),
            image: None,
            handler: handler.to_owned(),
            code,
            layers: Vec::new(),
            variables: BTreeMap::from([("AWS_LAMBDA_FUNCTION_NAME".to_owned(), "f".to_owned())]),
            memory_mb: 256,
            ephemeral_storage_mb: 512,
            network: None,
            init_timeout: Duration::from_secs(init_timeout_s),
            credentials: None,
            account_id: None,
            telemetry: sandbox::Telemetry::default(),
        }
    }

    pub async fn try_start(&self, spec: EnvironmentSpec) -> Result<Environment, StartError> {
        self.sandbox.start(spec, self.lines.clone()).await
    }

    pub async fn start(&self, spec: EnvironmentSpec) -> Environment {
        match self.try_start(spec).await {
            Ok(environment) => environment,
            Err(error) => panic!("{error}: {:?}\n{}", error.payload(""), self.lines.text()),
        }
    }

    /// A Python function of one file.
    pub async fn python(&self, text: &str) -> Environment {
        let code = self.code(&[("app.py", text)]);
        self.start(self.spec("python3.12", "app.handler", code)).await
    }
}

/// The launcher's program.
pub fn launcher() -> PathBuf {
    let named = std::env::var_os("KOBEL_TEST_LAUNCHER");
    named.map_or_else(|| env!("CARGO_BIN_EXE_kobel-sandbox-launcher").into(), PathBuf::from)
}

/// The kernel of virtual machines that `scripts/setup` unpacked; else one of the host's is taken.
pub fn kernel() -> Option<PathBuf> {
    let named = std::env::var_os("KOBEL_MICROVM_KERNEL").map(PathBuf::from);
    named.or_else(|| {
        let folder = |name: &str, below: &str| Some(Path::new(&std::env::var_os(name)?).join(below));
        let cache = folder("KOBEL_CACHE", "").or_else(|| folder("XDG_CACHE_HOME", "kobel"));
        let boot = cache.or_else(|| folder("HOME", ".cache/kobel"))?.join("microvm/boot");
        let files = std::fs::read_dir(boot).ok()?.flatten().map(|entry| entry.path());
        files
            .into_iter()
            .find(|file| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz")))
    })
}

pub fn event(payload: &str) -> Invocation {
    Invocation {
        request_id: "8476a536-e9f4-11e8-9739-2dfe598c3fcd".to_owned(),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        function_arn: "arn:aws:lambda:us-east-1:123456789012:function:f".to_owned(),
        deadline: Duration::from_secs(60),
        deadline_epoch_ms: 4_102_444_800_000,
        trace_id: "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0".to_owned(),
        client_context: None,
        cognito_identity: None,
    }
}

/// The response of an invocation that must succeed.
pub fn response(outcome: Outcome, lines: &Lines) -> serde_json::Value {
    match outcome.result {
        Ok(body) => serde_json::from_slice(&body).expect("JSON"),
        Err(error) => panic!("{error}: {:?}\n{}", error.payload(""), lines.text()),
    }
}

/// The error object of an invocation that must fail.
pub fn failure(outcome: Outcome) -> serde_json::Value {
    let error = outcome.result.expect_err("must fail");
    serde_json::from_slice(&error.payload("8476a536-e9f4-11e8-9739-2dfe598c3fcd")).expect("JSON")
}

/// Waits for a condition that other processes bring about.
pub async fn until(what: &str, condition: impl Fn() -> bool) {
    const ROUNDS_MAX: u32 = 5_000_000;
    for _ in 0..ROUNDS_MAX {
        if condition() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("never: {what}");
}

pub fn make_executable(file: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).expect("permissions");
}
