//! Environments whose runtime was forked from a booted interpreter: they must be like any other.

use std::collections::{BTreeMap, HashSet};

use sandbox::{Environment, EnvironmentSpec, Isolation, StartMode};

use crate::bench::{Bench, event, response};

/// How many environments are started at most until one is forked.
const STARTS_MAX: usize = 500;

impl Bench {
    /// Starts environments until the stem has booted and bears one.
    async fn forked(&self, spec: impl Fn() -> EnvironmentSpec) -> Environment {
        for _ in 0..STARTS_MAX {
            let environment = self.start(spec()).await;
            if environment.start_mode() == StartMode::Stem {
                return environment;
            }
            environment.stop().await;
        }
        panic!("no environment was forked; {}", self.lines.text());
    }
}

const PYTHON: &str = "
import json, os, random, secrets, ssl, subprocess, sys, tempfile, threading, time, uuid
import helper
def handler(event, context):
    box = []
    thread = threading.Thread(target=lambda: box.append(1))
    thread.start()
    thread.join()
    with open('/proc/self/status') as file:
        status = dict(line.strip('\\n').split(':\\t', 1) for line in file)
    return {
        'random': [random.random(), str(uuid.uuid4()), secrets.token_hex(8), ssl.RAND_bytes(8).hex(), next(tempfile._get_candidate_names())],
        'variables': {name: os.environ.get(name) for name in ('OWN', 'AWS_LAMBDA_FUNCTION_NAME', '_HANDLER', 'LAMBDA_TASK_ROOT', '_KOBEL_STEM')},
        'pid': os.getpid(), 'ids': [os.getuid(), os.getgid(), os.getgroups()], 'cwd': os.getcwd(), 'argv': sys.argv,
        'capabilities': [status[name] for name in ('CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb')],
        'confined': [status['NoNewPrivs'], status['Seccomp']],
        'descriptors': [os.readlink('/proc/self/fd/' + fd) for fd in sorted(os.listdir('/proc/self/fd')) if os.path.lexists('/proc/self/fd/' + fd)],
        'child': subprocess.run(['sh', '-c', 'echo $OWN'], capture_output=True, text=True).stdout,
        'helper': helper.VALUE, 'thread': box, 'processes': sorted(int(n) for n in os.listdir('/proc') if n.isdigit()),
        'mounts': sorted(line.split()[1] for line in open('/proc/self/mounts')),
    }
";

fn python(bench: &Bench, code: &std::path::Path) -> EnvironmentSpec {
    let mut spec = bench.spec("python3.12", "app.handler", code.to_path_buf());
    spec.variables.insert("OWN".to_owned(), "mine".to_owned());
    spec
}

pub async fn python_is_like_any_other(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let code = bench.code(&[("app.py", PYTHON), ("helper.py", "VALUE = 7\n")]);
    let executed = bench.start(python(&bench, &code)).await;
    assert_eq!(executed.start_mode(), StartMode::Exec);
    let plain = response(executed.invoke(event("{}")).await, &bench.lines);
    let forked = bench.forked(|| python(&bench, &code)).await;
    let value = response(forked.invoke(event("{}")).await, &bench.lines);
    for same in ["variables", "ids", "cwd", "argv", "capabilities", "confined", "child", "helper", "thread", "mounts"] {
        assert_eq!(value[same], plain[same], "{same}");
    }
    assert_eq!(value["confined"], serde_json::json!(["1", "2"]));
    // Its own processes alone: the first one, itself, and the shell that has ended.
    assert!(value["processes"].as_array().unwrap().len() <= 2, "{}", value["processes"]);
    let descriptors = value["descriptors"].as_array().unwrap();
    let harmless = |text: &str| ["/dev/null", "pipe:", "socket:", "/proc/"].iter().any(|start| text.starts_with(start));
    assert!(descriptors.iter().all(|name| harmless(name.as_str().unwrap())), "{descriptors:?}");
}

pub async fn nothing_random_is_shared(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let code = bench.code(&[("app.py", PYTHON), ("helper.py", "VALUE = 7\n")]);
    let javascript = "
        const crypto = require('crypto');
        exports.handler = async () => ({ random: [
            Math.random(), crypto.randomUUID(), crypto.randomBytes(8).toString('hex'),
            crypto.getRandomValues(new Uint32Array(2)).join(), crypto.webcrypto.randomUUID(),
        ] });";
    let script = bench.code(&[("app.js", javascript)]);
    let ruby = "
        require 'securerandom'
        require 'openssl'
        require 'tempfile'
        def handler(event:, context:)
          { random: [rand.to_s, Random.rand.to_s, Random.new.rand.to_s, [*1..64].shuffle.join, SecureRandom.uuid,
                     OpenSSL::Random.random_bytes(8).unpack1('H*'), Tempfile.new.path] }
        end";
    let rubies = bench.code(&[("app.rb", ruby)]);
    let makes: [&dyn Fn() -> EnvironmentSpec; 3] =
        [&|| python(&bench, &code), &|| bench.spec("nodejs22.x", "app.handler", script.clone()), &|| {
            bench.spec("ruby3.3", "app.handler", rubies.clone())
        }];
    for make in makes {
        let mut seen = HashSet::new();
        for _ in 0..3 {
            let environment = bench.forked(make).await;
            let value = response(environment.invoke(event("{}")).await, &bench.lines);
            for number in value["random"].as_array().unwrap() {
                assert!(seen.insert(number.to_string()), "{number} was drawn twice");
            }
        }
    }
}

const JAVASCRIPT: &str = "
const fs = require('fs');
const { Worker } = require('worker_threads');
const { execSync } = require('child_process');
const { gzipSync } = require('zlib');
exports.handler = async (event) => {
  await new Promise((resolve) => setTimeout(resolve, 1));
  const read = (await fs.promises.readFile(__filename, 'utf8')).length;
  const worker = await new Promise((resolve, reject) => {
    const worker = new Worker(\"require('worker_threads').parentPort.postMessage(6 * 7)\", { eval: true });
    worker.on('message', resolve).on('error', reject);
  });
  const hash = await new Promise((resolve, reject) => require('crypto').pbkdf2('a', 'b', 10, 8, 'sha256', (error, key) => error ? reject(error) : resolve(key.toString('hex'))));
  const variables = Object.fromEntries(['OWN', '_HANDLER', '_KOBEL_STEM', '_KOBEL_CHANNEL'].map((name) => [name, process.env[name]]));
  return { read, worker, hash, variables, zipped: gzipSync('text').length > 0, child: execSync('echo $OWN').toString(),
    cwd: process.cwd(), argv: process.argv, execArgv: process.execArgv, uid: process.getuid(), title: process.title,
    pid: process.pid === Number(fs.readlinkSync('/proc/self')) };
};
";

pub async fn nodejs_is_like_any_other(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let code = bench.code(&[("app.js", JAVASCRIPT)]);
    let make = || {
        let mut spec = bench.spec("nodejs22.x", "app.handler", code.clone());
        spec.variables = BTreeMap::from([("OWN".to_owned(), "mine".to_owned())]);
        spec
    };
    let executed = bench.start(make()).await;
    assert_eq!(executed.start_mode(), StartMode::Exec);
    let plain = response(executed.invoke(event("{}")).await, &bench.lines);
    let forked = bench.forked(make).await;
    for _ in 0..3 {
        let value = response(forked.invoke(event("{}")).await, &bench.lines);
        assert_eq!(value, plain);
    }
}

const RUBY: &str = r#"
require 'helper'
require 'timeout'
STATUS = File.readlines('/proc/self/status').to_h { |line| line.chomp.split(":\t", 2) }
def interrupted
  Timeout.timeout(0.01) { sleep }
rescue Timeout::Error
  true
end
def shared_out
  counts = [0, 0]
  done = false
  threads = 2.times.map { |at| Thread.new { counts[at] += 1 until done } }
  sleep(0.001) until counts.all?(&:positive?)
  done = true
  threads.each(&:join)
  true
end
def forked
  reader, writer = IO.pipe
  pid = fork { writer.write(rand.to_s); exit!(0) }
  Process.wait(pid)
  writer.close
  $?.success? && reader.read != rand.to_s
end
def descriptors
  Dir.children('/proc/self/fd').sort.filter_map { |fd| File.readlink("/proc/self/fd/#{fd}") rescue nil }
end
def handler(event:, context:)
  {
    variables: %w[OWN AWS_LAMBDA_FUNCTION_NAME _HANDLER LAMBDA_TASK_ROOT RUBYLIB TZ _KOBEL_STEM _KOBEL_CHANNEL LD_PRELOAD].to_h { |name| [name, ENV[name]] },
    ids: [Process.uid, Process.gid, Process.groups], cwd: Dir.pwd, program: [$0, ARGV],
    pid: [Process.pid, $$] == [File.readlink('/proc/self').to_i] * 2,
    capabilities: STATUS.values_at('CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'),
    confined: STATUS.values_at('NoNewPrivs', 'Seccomp'), child: `echo $OWN$LD_PRELOAD`, helper: HELPER,
    mounts: File.readlines('/proc/self/mounts').map { |line| line.split[1] }.sort,
    interrupted: interrupted, shared_out: shared_out, forked: forked,
    encodings: [Encoding.default_external, Encoding.default_internal, Encoding.find('locale')].map(&:to_s),
    paths: $LOAD_PATH, features: $LOADED_FEATURES.reject { |file| file.end_with?('stem.so', '/ruby/bootstrap.rb') }.sort,
    descriptors: descriptors, signals: %w[INT TERM CHLD].to_h { |name| [name, trap(name, 'DEFAULT').to_s] },
  }
end
"#;

pub async fn ruby_is_like_any_other(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let code = bench.code(&[("app.rb", RUBY), ("helper.rb", "HELPER = 7\n")]);
    let make = || {
        let mut spec = bench.spec("ruby3.3", "app.handler", code.clone());
        spec.variables.insert("OWN".to_owned(), "mine".to_owned());
        spec
    };
    let executed = bench.start(make()).await;
    assert_eq!(executed.start_mode(), StartMode::Exec);
    let mut plain = response(executed.invoke(event("{}")).await, &bench.lines);
    plain["descriptors"].take();
    let forked = bench.forked(make).await;
    let mut value = response(forked.invoke(event("{}")).await, &bench.lines);
    let descriptors = value["descriptors"].take();
    assert_eq!(value, plain);
    assert_eq!(value["child"], "mine\n");
    for same in ["interrupted", "shared_out", "forked", "pid"] {
        assert_eq!(value[same], true, "{same}");
    }
    let harmless = |text: &str| {
        ["/dev/null", "pipe:", "socket:", "anon_inode:", "/proc/"].iter().any(|start| text.starts_with(start))
    };
    let descriptors = descriptors.as_array().unwrap();
    assert!(descriptors.iter().all(|name| harmless(name.as_str().unwrap())), "{descriptors:?}");
}

pub async fn exits_are_reported(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let code = bench.code(&[
        ("app.py", "import os, sys\ndef handler(event, context):\n    os._exit(event) if event else os.kill(os.getpid(), 9)\n"),
        ("app.js", "exports.handler = async (event) => { if (event) process.exit(event); process.kill(process.pid, 'SIGKILL'); };"),
        ("app.rb", "def handler(event:, context:) = event.positive? ? exit!(event) : Process.kill(:KILL, $$)"),
    ]);
    for runtime in ["python3.12", "nodejs22.x", "ruby3.3"] {
        for (payload, expected) in
            [("3", "exited with error: exit status 3"), ("0", "exited with error: signal: killed")]
        {
            let environment = bench.forked(|| bench.spec(runtime, "app.handler", code.clone())).await;
            let outcome = environment.invoke(event(payload)).await;
            let error = outcome.result.unwrap_err().to_string();
            assert!(error.contains(expected), "{runtime}: {error}");
            assert!(!environment.is_alive());
        }
    }
}

pub async fn a_function_that_sets_up_its_interpreter_boots_it(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let code = bench.code(&[("app.py", "import sys\ndef handler(event, context):\n    return sys.flags.optimize\n")]);
    bench.forked(|| bench.spec("python3.12", "app.handler", code.clone())).await;
    let mut spec = bench.spec("python3.12", "app.handler", code);
    spec.variables.insert("PYTHONOPTIMIZE".to_owned(), "2".to_owned());
    let environment = bench.start(spec).await;
    assert_eq!(environment.start_mode(), StartMode::Exec);
    assert_eq!(response(environment.invoke(event("{}")).await, &bench.lines), 2);
}
