//! Has a JVM make an archive, in a sandbox of its own.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::arrangement::{self, Arrangement};
use crate::deadline;
use crate::driver::namespaces::{self, Bearing, Namespaces};
use crate::driver::{Conversation, Link, Spawned};
use crate::output::Pump;
use crate::plan::java::{self, ArchiveKind, ClassCache, TRAINING_HEAP_MB};
use crate::plan::{self, Layout};
use crate::runtimes::{Resolved, Runtime};
use crate::spec::{EnvironmentSpec, Line, Output};

/// How long the making of an archive may take, on a machine that has better to do.
const TRAINING_MAX: Duration = Duration::from_secs(600);
/// The largest archive, in bytes.
const ARCHIVE_BYTES_MAX: u64 = 1 << 30;
/// How much of what the JVM says is kept, in bytes.
const WORDS_BYTES_MAX: usize = 2048;
/// What the sandbox has beside the JVM's heap: its other memory, and the archive twice, in MB.
const OVERHEAD_MB: u32 = 1536;
/// Runs the JVM, whose output is the log's, and hands the archive over by the channel.
const SCRIPT: &str = "\"$@\" </dev/null 3>&- && exec cat /tmp/classes.archive >&3";
const OUTPUT: &str = "/tmp/classes.archive";

/// Makes the archive of a function in `dir`, which is made.
pub(super) async fn make(
    driver: &Namespaces,
    spec: &EnvironmentSpec,
    resolved: &Resolved,
    runtime: &Runtime,
    kind: ArchiveKind,
    dir: &Path,
) -> io::Result<ClassCache> {
    std::fs::create_dir_all(dir)?;
    let (code, layers, into) = (spec.code.clone(), spec.layers.clone(), dir.to_path_buf());
    let arranging = tokio::task::spawn_blocking(move || arrangement::arrange(&code, &layers, &into));
    let Arrangement { libraries, is_disjoint } = arranging.await.map_err(io::Error::other)??;
    let cache = ClassCache { dir: dir.to_path_buf(), kind, libraries, archives_libraries: is_disjoint };
    let Spawned { process, link, output, .. } = driver.spawn(starting(spec, resolved, runtime, &cache)?).await?;
    let Link::Channel(stream) = link else { return Err(io::Error::other("no channel")) };
    let words = Arc::new(Words::default());
    let mut pump = Pump::new(output, None, words.clone());
    let archive = dir.join(java::ARCHIVE);
    let received = tokio::select! {
        received = receive(stream, &archive) => received,
        never = pump.run() => match never {},
        () = deadline::after(TRAINING_MAX) => Err(io::Error::new(io::ErrorKind::TimedOut, "it took too long")),
    };
    process.kill();
    process.ended().await;
    pump.drain();
    match received? {
        0 => Err(io::Error::other(words.text())),
        _ => Ok(cache),
    }
}

fn starting(
    spec: &EnvironmentSpec,
    resolved: &Resolved,
    runtime: &Runtime,
    cache: &ClassCache,
) -> io::Result<namespaces::Starting> {
    let layout = Layout::of_lambda();
    let mut command = plan::bare(resolved, runtime, &layout);
    let jvm = java::training(command.arguments.remove(0), runtime, &layout, cache, OUTPUT);
    command.arguments = ["/bin/sh", "-c", SCRIPT, "sh"].map(str::to_owned).into_iter().chain(jvm).collect();
    command.classes = Some(cache.dir.clone());
    let spec = EnvironmentSpec {
        id: format!("{}-classes", spec.id.chars().take(48).collect::<String>()),
        memory_mb: TRAINING_HEAP_MB + OVERHEAD_MB,
        ephemeral_storage_mb: OVERHEAD_MB,
        variables: Default::default(),
        ..spec.clone()
    };
    let why = Bearing::Program("it makes an archive of classes");
    Ok(namespaces::start(&spec, command, Conversation::Channel, why)?.in_background())
}

/// Writes what comes to a file; gives its size, in bytes.
async fn receive(mut stream: UnixStream, file: &Path) -> io::Result<u64> {
    let mut file = tokio::fs::File::create(file).await?;
    let mut limited = (&mut stream).take(ARCHIVE_BYTES_MAX + 1);
    let bytes = tokio::io::copy(&mut limited, &mut file).await?;
    file.flush().await?;
    if bytes > ARCHIVE_BYTES_MAX { Err(io::Error::other("the archive is too large")) } else { Ok(bytes) }
}

/// What the JVM says, as far as it may tell why there is no archive.
#[derive(Default)]
struct Words(Mutex<String>);

impl Words {
    fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).trim_end().to_owned()
    }
}

impl Output for Words {
    fn line(&self, line: Line) {
        let mut words = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if words.len() + line.text.len() <= WORDS_BYTES_MAX {
            words.push_str(&line.text);
            words.push('\n');
        }
    }
}
