//! Environments that were forked from a function's own runtime after its init.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use sandbox::{Environment, EnvironmentSpec, Isolation, StartError, StartMode, Template};
use serde_json::{Value, json};

use crate::bench::{Bench, event, response, until};

const PYTHON: &str = "
import os, random, secrets, socket, ssl, sys, tempfile, threading, time, uuid
import snapshot_restore_py
EVENTS = ['init ' + os.environ['OWN']]
ssl.RAND_bytes(8), random.random(), tempfile._get_candidate_names()
SERVER = socket.create_server(('127.0.0.1', 0))
OPEN = socket.create_connection(SERVER.getsockname())
os.mkdir('/tmp/made')
with open('/tmp/made/file', 'w') as file:
    file.write('by init')
os.symlink('made/file', '/tmp/link')
@snapshot_restore_py.register_before_snapshot
def second():
    EVENTS.append('before, registered first')
snapshot_restore_py.register_before_snapshot(EVENTS.append, 'before, registered last')
snapshot_restore_py.register_after_restore(lambda: EVENTS.append('after in ' + os.environ['OWN']))
def connection():
    try:
        OPEN.send(b'x')
        return 'open'
    except OSError as error:
        return type(error).__name__
def handler(event, context):
    box = []
    thread = threading.Thread(target=lambda: box.append(1))
    thread.start()
    thread.join()
    with open('/proc/self/status') as file:
        status = dict(line.strip('\\n').split(':\\t', 1) for line in file)
    EVENTS.append(event)
    result = {
        'events': EVENTS, 'file': open('/tmp/link').read(), 'connection': connection(), 'thread': box,
        'random': [random.random(), str(uuid.uuid4()), secrets.token_hex(8), ssl.RAND_bytes(8).hex(), next(tempfile._get_candidate_names())],
        'ids': [os.getuid(), os.getgid(), os.getgroups()], 'cwd': os.getcwd(), 'pid': os.getpid(),
        'capabilities': [status[name] for name in ('CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb')],
        'confined': status['NoNewPrivs'], 'processes': sorted(int(n) for n in os.listdir('/proc') if n.isdigit()),
        'mounts': sorted(line.split()[1] for line in open('/proc/self/mounts')),
        'descriptors': sorted(os.readlink('/proc/self/fd/' + fd).split(':')[0] for fd in os.listdir('/proc/self/fd') if os.path.lexists('/proc/self/fd/' + fd)),
    }
    with open('/tmp/made/file', 'w') as file:
        file.write('by another environment')
    return result
";

impl Bench {
    fn templated(&self, code: &Path, own: &str) -> EnvironmentSpec {
        let mut spec = self.spec("python3.12", "app.handler", code.to_path_buf());
        spec.variables.insert("OWN".to_owned(), own.to_owned());
        spec.variables.insert("AWS_LAMBDA_INITIALIZATION_TYPE".to_owned(), "snap-start".to_owned());
        spec
    }

    async fn template(&self, code: &Path) -> Template {
        let made = self.sandbox.make_template(self.templated(code, "template"), self.lines.clone()).await;
        made.unwrap_or_else(|error| panic!("{error}: {:?}\n{}", error.payload(""), self.lines.text()))
    }

    async fn restored(&self, template: &Template, code: &Path, own: &str) -> Environment {
        let restored = self.sandbox.restore(template, self.templated(code, own), self.lines.clone()).await;
        restored.unwrap_or_else(|error| panic!("{error}: {:?}\n{}", error.payload(""), self.lines.text()))
    }

    fn templated_node(&self, code: &Path, own: &str) -> EnvironmentSpec {
        EnvironmentSpec { runtime: "nodejs22.x".to_owned(), ..self.templated(code, own) }
    }

    fn app(&self, text: &str) -> PathBuf {
        self.code(&[("app.py", text)])
    }
}

pub async fn forks_have_what_init_made_and_nothing_else_in_common(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let code = bench.app(PYTHON);
    let template = bench.template(&code).await;
    let mut drawn = HashSet::new();
    for own in ["first", "second"] {
        let environment = bench.restored(&template, &code, own).await;
        assert_eq!(environment.start_mode(), StartMode::Template);
        let value = response(environment.invoke(event("7")).await, &bench.lines);
        let before = ["init template", "before, registered last", "before, registered first"];
        assert_eq!(value["events"], json!([before[0], before[1], before[2], format!("after in {own}"), 7]));
        assert_eq!(value["file"], "by init");
        assert_eq!(value["connection"], "BrokenPipeError");
        assert_eq!(value["thread"], json!([1]));
        for number in value["random"].as_array().unwrap() {
            assert!(drawn.insert(number.to_string()), "{number} was drawn twice");
        }
        let value = response(environment.invoke(event("8")).await, &bench.lines);
        assert_eq!(value["events"][5], 8);
        assert_eq!(value["file"], "by another environment");
    }
}

pub async fn forks_are_like_any_other(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let code = bench.app(PYTHON);
    let executed = bench.start(bench.templated(&code, "own")).await;
    let plain = response(executed.invoke(event("1")).await, &bench.lines);
    let template = bench.template(&code).await;
    let forked = bench.restored(&template, &code, "own").await;
    let value = response(forked.invoke(event("1")).await, &bench.lines);
    for same in ["ids", "cwd", "capabilities", "confined", "thread", "mounts", "file", "descriptors"] {
        assert_eq!(value[same], plain[same], "{same}");
    }
    assert!(value["processes"].as_array().unwrap().len() <= 2, "{}", value["processes"]);
    // Without a template all hooks run in the one runtime.
    assert_eq!(plain["events"][3], "after in own");
}

const JAVASCRIPT: &str = "
import crypto, { randomUUID, randomInt, randomBytes, pbkdf2 } from 'crypto';
import fs from 'fs';
import http from 'http';
import { promisify } from 'util';
const init = `init ${process.env.OWN}`;
const { random } = Math;
[randomUUID(), randomInt(1000), randomBytes(4), random(), crypto.webcrypto.randomUUID()];
await promisify(pbkdf2)('a', 'b', 10, 8, 'sha256');
await fs.promises.writeFile('/tmp/made', 'by init');
const agent = new http.Agent({ keepAlive: true });
const get = (port) => new Promise((resolve, reject) => http.get({ port, agent }, (reply) => {
  let text = '';
  reply.on('data', (data) => (text += data)).on('end', () => resolve(text));
}).on('error', reject));
const server = http.createServer((request, reply) => reply.end('init server')).listen(0);
await new Promise((resolve) => server.on('listening', resolve));
const first = await get(server.address().port);
let ticks = 0;
setInterval(() => ticks++, 1).unref();
export const handler = async (event) => {
  const own = http.createServer((request, reply) => reply.end('own server')).listen(0);
  await new Promise((resolve) => own.on('listening', resolve));
  const before = ticks;
  await new Promise((resolve) => setTimeout(resolve, 20));
  const made = await fs.promises.readFile('/tmp/made', 'utf8');
  await fs.promises.writeFile('/tmp/made', 'by another environment');
  const key = await promisify(pbkdf2)('a', 'b', 10, 8, 'sha256');
  const answer = await get(own.address().port);
  own.close();
  return { init, first, own: process.env.OWN, made, answer, ticks: ticks > before, key: key.toString('hex'), event,
    pid: process.pid === Number(fs.readlinkSync('/proc/self')), cwd: process.cwd(), uid: process.getuid(),
    random: [random(), Math.random(), randomUUID(), randomInt(2 ** 47), randomBytes(8).toString('hex'), crypto.webcrypto.randomUUID(), crypto.getRandomValues(new Uint32Array(2)).join()] };
};
";

pub async fn nodejs_is_forked_with_its_modules_and_threads(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let code = bench.code(&[("app.mjs", JAVASCRIPT)]);
    let made = bench.sandbox.make_template(bench.templated_node(&code, "template"), bench.lines.clone()).await;
    let template = made.unwrap_or_else(|error| panic!("{error}: {:?}\n{}", error.payload(""), bench.lines.text()));
    let mut drawn = HashSet::new();
    for own in ["first", "second", "third"] {
        let restored = bench.sandbox.restore(&template, bench.templated_node(&code, own), bench.lines.clone()).await;
        let environment = restored.unwrap_or_else(|error| panic!("{error}\n{}", bench.lines.text()));
        let value = response(environment.invoke(event("7")).await, &bench.lines);
        let told = json!([value["init"], value["first"], value["own"], value["made"], value["answer"], value["event"]]);
        assert_eq!(told, json!(["init template", "init server", own, "by init", "own server", 7]));
        assert_eq!(json!([value["ticks"], value["pid"], value["cwd"]]), json!([true, true, "/var/task"]));
        for number in value["random"].as_array().unwrap() {
            assert!(drawn.insert(number.to_string()), "{number} was drawn twice");
        }
        let value = response(environment.invoke(event("8")).await, &bench.lines);
        assert_eq!(value["made"], "by another environment");
    }
}

pub async fn nodejs_that_cannot_be_forked_says_why(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let code = bench.code(&[(
        "app.js",
        "const { Worker } = require('worker_threads');\nnew Worker('setInterval(() => 0, 1000)', { eval: true }).unref();\n\
         exports.handler = async (event) => event;",
    )]);
    match bench.sandbox.make_template(bench.templated_node(&code, "x"), bench.lines.clone()).await {
        Err(StartError::Unforkable { reason }) => assert!(reason.contains("threads"), "{reason}"),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it was forked"),
    }
}

pub async fn what_cannot_be_forked_says_why(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let cases = [
        ("import threading, time\nthreading.Thread(target=time.sleep, args=(1000,), daemon=True).start()", "1 threads"),
        ("import subprocess\nsubprocess.Popen(['sleep', '1000'])", "1 processes"),
    ];
    for (init, reason) in cases {
        let code = bench.app(&format!("{init}\ndef handler(event, context):\n    return event\n"));
        let spec = bench.templated(&code, "x");
        match bench.sandbox.make_template(spec, bench.lines.clone()).await {
            Err(StartError::Unforkable { reason: told }) => assert!(told.contains(reason), "{told}"),
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("{init} was forked"),
        }
        let started = bench.start(bench.templated(&code, "x")).await;
        assert_eq!(response(started.invoke(event("5")).await, &bench.lines), 5);
    }
}

pub async fn hooks_that_fail_are_init_errors(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let hooked = |hook: &str| {
        format!(
            "import snapshot_restore_py\n@snapshot_restore_py.{hook}\ndef hook():\n    raise ValueError('no acorns')\n\
             def handler(event, context):\n    return event\n"
        )
    };
    let before = bench.app(&hooked("register_before_snapshot"));
    let error = bench.sandbox.make_template(bench.templated(&before, "x"), bench.lines.clone()).await.err().unwrap();
    assert_eq!(error.error_type(), "Runtime.BeforeSnapshotError");
    let after = bench.app(&hooked("register_after_restore"));
    let template = bench.template(&after).await;
    let error =
        bench.sandbox.restore(&template, bench.templated(&after, "x"), bench.lines.clone()).await.err().unwrap();
    assert_eq!(error.error_type(), "Runtime.AfterRestoreError");
    let told: Value = serde_json::from_slice(&error.payload("r")).unwrap();
    assert_eq!(told["errorMessage"], "no acorns");
}

/// A template runs the function's code, which may do anything: nothing but itself may come to harm.
pub async fn hostile_templates_harm_nobody_else(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let honest = bench.app(PYTHON);
    let template = bench.template(&honest).await;
    // Answers in place of its children, and leaves children that nobody ordered.
    let lies = "
import os, socket, struct, sys
sys.path.append('/var/runtime/python')
import kobel_snapshot
def fork_forever(library, descriptor):
    for fd in range(3, 64):
        try:
            other = socket.socket(fileno=os.dup(fd))
            if other.type == socket.SOCK_SEQPACKET:
                control = other
        except OSError:
            pass
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    CLONE_PARENT = 0x8000
    while True:
        order = control.recv(64)
        serial, = struct.unpack_from('Q', order)
        for _ in range(4):
            if libc.syscall(56, CLONE_PARENT, 0, 0, 0, 0) == 0:
                os._exit(0)
        HOW
kobel_snapshot.fork_forever = fork_forever
def handler(event, context):
    return event
";
    for how in [
        "control.send(struct.pack('Qq', serial, 0))",
        "control.send(struct.pack('Qq', serial, 1))",
        "control.send(struct.pack('Qq', serial + 1, 0))",
        "control.send(b'x' * 1000)",
        "control.close()",
        "os._exit(3)",
        "os.kill(os.getpid(), 9)",
    ] {
        let code = bench.code(&[("app.py", &lies.replace("HOW", how))]);
        let spec = bench.templated(&code, "x");
        let liar = match bench.sandbox.make_template(spec, bench.lines.clone()).await {
            Ok(liar) => liar,
            Err(error) => panic!("{how}: {error}\n{}", bench.lines.text()),
        };
        let restored = bench.sandbox.restore(&liar, bench.templated(&code, "x"), bench.lines.clone()).await;
        assert!(restored.is_err(), "{how}");
        drop(liar);
    }
    let environment = bench.restored(&template, &honest, "own").await;
    assert_eq!(response(environment.invoke(event("1")).await, &bench.lines)["events"][4], 1);
}

pub async fn environments_outlive_the_handle_of_their_template(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let code = bench.app(PYTHON);
    let template = bench.template(&code).await;
    let environment = bench.restored(&template, &code, "own").await;
    let observed = template.clone();
    drop(template);
    drop(observed);
    assert_eq!(response(environment.invoke(event("1")).await, &bench.lines)["events"][4], 1);
    let template = bench.template(&code).await;
    let second = bench.restored(&template, &code, "own").await;
    second.stop().await;
    assert!(template.is_alive());
    let third = bench.restored(&template, &code, "own").await;
    bench.sandbox.close().await;
    until("all end", || !third.is_alive() && !template.is_alive()).await;
}
