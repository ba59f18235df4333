//! The bootstraps that run inside environments: carried in the program, written out on opening.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use crate::Error;
use crate::plan::{dotnet, java};
use crate::runtimes::Runtime;

/// Which sources the compiled Java runtime is of.
const JAVA_MARK: &str = "java/kobel-lambda-runtime.mark";

macro_rules! bundled {
    ($($path:literal),+ $(,)?) => {
        &[$(($path, include_str!(concat!("../../../../runtimes/", $path)))),+]
    };
}

/// Bootstraps that run as they are.
const SCRIPTS: &[(&str, &str)] = bundled![
    "nodejs/bootstrap.js",
    "nodejs/fork.js",
    "nodejs/loader.js",
    "nodejs/logs.js",
    "nodejs/sdk.js",
    "nodejs/snapshot.js",
    "nodejs/stem.js",
    "nodejs/streaming.js",
    "python/bootstrap.py",
    "python/kobel_bootstrap.py",
    "python/kobel_logging.py",
    "python/kobel_rehearsal.py",
    "python/kobel_sdk.py",
    "python/kobel_snapshot.py",
    "python/lib/snapshot_restore_py.py",
    "python/stem.py",
    "ruby/bootstrap.rb",
    "ruby/kobel_logger.rb",
    "ruby/kobel_require.rb",
    "ruby/stem.rb",
];

/// What interpreters load to be forked into sandboxes, compiled by `build.rs`.
const STEM_LIBRARY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/stem.so"));

/// The bootstrap of .NET, compiled by `build.rs`; empty when there was no compiler.
const DOTNET_ASSEMBLY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/kobel-lambda.dll"));

/// Compiles modules into `__pycache__`, where functions cannot write.
const COMPILE_PYTHON: &str = "import py_compile, sys\nfor file in sys.argv[1:]: py_compile.compile(file, doraise=True)";
/// The modules of the Python bootstrap.
const PYTHON_MODULES: [&str; 5] = [
    "python/kobel_bootstrap.py",
    "python/kobel_logging.py",
    "python/kobel_rehearsal.py",
    "python/kobel_snapshot.py",
    "python/lib/snapshot_restore_py.py",
];

/// The Java bootstrap and the interfaces that handlers implement.
const JAVA_SOURCES: &[(&str, &str)] = bundled![
    "java/com/amazonaws/services/lambda/crac/CheckpointException.java",
    "java/com/amazonaws/services/lambda/crac/Context.java",
    "java/com/amazonaws/services/lambda/crac/Core.java",
    "java/com/amazonaws/services/lambda/crac/GlobalContext.java",
    "java/com/amazonaws/services/lambda/crac/Resource.java",
    "java/com/amazonaws/services/lambda/crac/RestoreException.java",
    "java/com/amazonaws/services/lambda/runtime/Client.java",
    "java/com/amazonaws/services/lambda/runtime/ClientContext.java",
    "java/com/amazonaws/services/lambda/runtime/CognitoIdentity.java",
    "java/com/amazonaws/services/lambda/runtime/Context.java",
    "java/com/amazonaws/services/lambda/runtime/CustomPojoSerializer.java",
    "java/com/amazonaws/services/lambda/runtime/LambdaLogger.java",
    "java/com/amazonaws/services/lambda/runtime/LambdaRuntime.java",
    "java/com/amazonaws/services/lambda/runtime/LambdaRuntimeInternal.java",
    "java/com/amazonaws/services/lambda/runtime/RequestHandler.java",
    "java/com/amazonaws/services/lambda/runtime/RequestStreamHandler.java",
    "java/com/amazonaws/services/lambda/runtime/logging/LogFormat.java",
    "java/com/amazonaws/services/lambda/runtime/logging/LogLevel.java",
    "java/kobel/runtime/Binder.java",
    "java/kobel/runtime/Bootstrap.java",
    "java/kobel/runtime/Channel.java",
    "java/kobel/runtime/Failure.java",
    "java/kobel/runtime/Fault.java",
    "java/kobel/runtime/FunctionLogger.java",
    "java/kobel/runtime/Handlers.java",
    "java/kobel/runtime/InvocationContext.java",
    "java/kobel/runtime/JsonReader.java",
    "java/kobel/runtime/JsonTimes.java",
    "java/kobel/runtime/JsonWriter.java",
    "java/kobel/runtime/Log4jContext.java",
    "java/kobel/runtime/Properties.java",
    "java/kobel/runtime/Scalars.java",
    "java/kobel/runtime/Snapshot.java",
    "java/kobel/runtime/Trainer.java",
];

/// The folder that an environment sees as `/var/runtime`.
pub(crate) struct Bootstraps {
    dir: PathBuf,
    compiling: Mutex<()>,
}

impl Bootstraps {
    /// Writes the scripts under `dir`.
    pub(crate) fn write(dir: PathBuf) -> Result<Bootstraps, Error> {
        for (path, text) in SCRIPTS {
            write_if_changed(&dir.join(path), text.as_bytes())?;
        }
        write_if_changed(&dir.join("stem/stem.so"), STEM_LIBRARY)?;
        if !DOTNET_ASSEMBLY.is_empty() {
            write_if_changed(&dir.join(dotnet::ASSEMBLY), DOTNET_ASSEMBLY)?;
        }
        create_dir(&dir.join("java"))?;
        Ok(Bootstraps { dir, compiling: Mutex::new(()) })
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Lets an interpreter of Python compile the bootstrap once, which saves each start some
    /// milliseconds. Blocks. Without success each start compiles for itself.
    pub(crate) fn compile_python(&self, runtime: &Runtime) {
        let mut command = Command::new(&runtime.path);
        command.args(["-I", "-c", COMPILE_PYTHON]).args(PYTHON_MODULES.map(|module| self.dir.join(module)));
        match command.output() {
            Ok(output) if output.status.success() => {}
            Ok(output) => {
                tracing::debug!(error = %String::from_utf8_lossy(&output.stderr), "Python bootstrap not compiled")
            }
            Err(error) => tracing::debug!(%error, "Python bootstrap not compiled"),
        }
    }

    /// Writes which framework packages without a configuration run on: this version, in its newest patch.
    pub(crate) fn configure_dotnet(&self, runtime: &Runtime) -> Result<(), Error> {
        if DOTNET_ASSEMBLY.is_empty() {
            return Err(Error::DotnetNotBuilt);
        }
        let version = format!("{}.{}.0", runtime.version.major, runtime.version.minor);
        let framework = serde_json::json!({ "name": "Microsoft.NETCore.App", "version": version });
        let config = serde_json::json!({ "runtimeOptions": { "framework": framework } });
        write_if_changed(&self.dir.join(dotnet::default_config(runtime.version)), config.to_string().as_bytes())
    }

    /// The jar of the Java runtime, compiled with a JDK of the host if it is not there yet. Blocks.
    pub(crate) fn java_jar(&self, host: &[Runtime]) -> Result<PathBuf, Error> {
        let _one_at_a_time = self.compiling.lock().unwrap_or_else(PoisonError::into_inner);
        let jar = self.dir.join(java::BOOTSTRAP_JAR);
        let mark = self.dir.join(JAVA_MARK);
        let current = fingerprint();
        if jar.exists() && std::fs::read_to_string(&mark).is_ok_and(|mark| mark == current) {
            return Ok(jar);
        }
        let hosted = host.iter().filter(|runtime| runtime.root.is_none());
        let jdk = hosted.map(|runtime| runtime.prefix.join("bin")).find(|bin| bin.join("javac").exists());
        let Some(bin) = jdk else {
            let detail = "no JDK was found; install one with `apt-get install default-jdk-headless`".to_owned();
            return Err(Error::JavaCompile { javac: "javac".to_owned(), detail });
        };
        self.compile(&bin, &jar)?;
        write_if_changed(&mark, current.as_bytes())?;
        Ok(jar)
    }

    fn compile(&self, bin: &Path, jar: &Path) -> Result<(), Error> {
        let work = self.dir.join("java/work");
        let classes = work.join("classes");
        create_dir(&classes)?;
        let mut files = Vec::new();
        for (path, text) in JAVA_SOURCES {
            let file = work.join(path);
            write_if_changed(&file, text.as_bytes())?;
            files.push(file);
        }
        // Classes of Java 8's format run on every JVM; a JDK that no longer writes it uses its own.
        let compile = |release: &[&str]| {
            let mut command = Command::new(bin.join("javac"));
            command.args(release).args(["-encoding", "UTF-8", "-nowarn", "-proc:none", "-parameters", "-d"]);
            command.arg(&classes).args(&files);
            run(command)
        };
        compile(&["--release", "8"]).or_else(|_| compile(&[]))?;
        let packed = work.join("packed.jar");
        let mut pack = Command::new(bin.join("jar"));
        pack.arg("cf").arg(&packed).arg("-C").arg(&classes).arg(".");
        run(pack)?;
        let failed = |source| Error::File { action: "replace", path: jar.display().to_string(), source };
        std::fs::rename(&packed, jar).map_err(failed)?;
        std::fs::remove_dir_all(&work).map_err(failed)
    }
}

fn run(mut command: Command) -> Result<(), Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let failed = |detail: String| Error::JavaCompile { javac: program.clone(), detail };
    let output = command.output().map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

/// A hash (FNV-1a) of all Java sources: a changed source is compiled again.
fn fingerprint() -> String {
    let bytes = JAVA_SOURCES.iter().flat_map(|(path, text)| path.bytes().chain(text.bytes()));
    let hash = bytes
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    format!("{hash:016x}")
}

fn write_if_changed(file: &Path, content: &[u8]) -> Result<(), Error> {
    if std::fs::read(file).is_ok_and(|present| present == content) {
        return Ok(());
    }
    if let Some(parent) = file.parent() {
        create_dir(parent)?;
    }
    let failed = |source| Error::File { action: "write", path: file.display().to_string(), source };
    std::fs::write(file, content).map_err(failed)
}

fn create_dir(dir: &Path) -> Result<(), Error> {
    let failed = |source| Error::File { action: "create", path: dir.display().to_string(), source };
    std::fs::create_dir_all(dir).map_err(failed)
}
