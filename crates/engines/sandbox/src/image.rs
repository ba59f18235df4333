//! What of a container image is run: its program and variables, looked up in the image's own files.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags, open, openat2};

use crate::entrypoint::obstacle_of;
use crate::error::StartError;
use crate::plan::Command;
use crate::spec::{EnvironmentSpec, Image};

/// Where programs are searched if the image does not say it.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The command that runs `image`, whose program and working folder are there.
pub(crate) fn command(spec: &EnvironmentSpec, image: &Image, endpoint_port: u16) -> Result<Command, StartError> {
    let variables = variables(spec, image, endpoint_port);
    let working_dir = if image.working_dir.is_empty() { "/" } else { &image.working_dir };
    let working_dir = Path::new("/").join(working_dir);
    if !look_up(&image.root, &working_dir)?.is_some_and(|found| found.is_dir()) {
        return Err(StartError::InvalidWorkingDir { path: working_dir.display().to_string() });
    }
    let mut arguments: Vec<String> = image.entrypoint.iter().chain(&image.command).cloned().collect();
    let Some(name) = arguments.first() else {
        let reason = "the image has neither ENTRYPOINT nor CMD".to_owned();
        return Err(StartError::InvalidProgram { reason });
    };
    arguments[0] = program(&image.root, name, &working_dir, variables.get("PATH").map_or(PATH, String::as_str))?;
    let (image_root, working_dir) = (Some(image.root.clone()), working_dir.display().to_string());
    Ok(Command { arguments, variables, lang: None, classes: None, image_root, working_dir })
}

/// The absolute path of a program that may be executed.
fn program(root: &Path, name: &str, working_dir: &Path, path: &str) -> Result<String, StartError> {
    let executable = |candidate: &Path| -> io::Result<bool> {
        Ok(look_up(root, candidate)?.is_some_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0))
    };
    if name.contains('/') {
        let candidate = working_dir.join(name);
        return match look_up(root, &candidate)? {
            None => Err(refused(format!("fork/exec {name}: no such file or directory"))),
            Some(_) if !executable(&candidate)? => Err(refused(format!("fork/exec {name}: permission denied"))),
            Some(_) => runnable(root, &candidate, &format!("fork/exec {name}")),
        };
    }
    for folder in path.split(':').filter(|folder| !folder.is_empty()) {
        let candidate = working_dir.join(folder).join(name);
        if executable(&candidate)? {
            return runnable(root, &candidate, &format!("fork/exec {}", candidate.display()));
        }
    }
    Err(refused(format!("exec: \"{name}\": executable file not found in $PATH")))
}

/// The program, if the kernel can execute it: `attempt` begins the sentence that says why it cannot.
fn runnable(root: &Path, program: &Path, attempt: &str) -> Result<String, StartError> {
    let exists = |interpreter: &str| look_up(root, Path::new(interpreter)).is_ok_and(|found| found.is_some());
    // One that may be executed and not read is left to the kernel.
    let obstacle = match open_inside(root, program, OFlags::RDONLY) {
        Ok(file) => obstacle_of(file, exists)?,
        Err(_) => None,
    };
    match obstacle {
        Some(obstacle) => Err(refused(format!("{attempt}: {obstacle}"))),
        None => Ok(program.display().to_string()),
    }
}

fn refused(reason: String) -> StartError {
    StartError::InvalidProgram { reason }
}

/// What is at an absolute path as seen from inside `root`; no link leads out of it.
pub(crate) fn look_up(root: &Path, path: &Path) -> io::Result<Option<std::fs::Metadata>> {
    match open_inside(root, path, OFlags::PATH) {
        Ok(found) => found.metadata().map(Some),
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn open_inside(root: &Path, path: &Path, access: OFlags) -> rustix::io::Result<File> {
    let root = open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let flags = access | OFlags::CLOEXEC;
    Ok(File::from(openat2(root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT)?))
}

/// The image's variables, over them those of the function, and those that describe the environment.
fn variables(spec: &EnvironmentSpec, image: &Image, endpoint_port: u16) -> BTreeMap<String, String> {
    let own = image.variables.iter().filter_map(|pair| pair.split_once('='));
    let mut variables: BTreeMap<String, String> =
        own.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    variables.extend(spec.variables.clone());
    let handler = image.command.first().cloned().unwrap_or_default();
    let fixed = [
        ("_HANDLER", handler),
        ("LAMBDA_TASK_ROOT", "/var/task".to_owned()),
        ("LAMBDA_RUNTIME_DIR", "/var/runtime".to_owned()),
    ];
    let address = format!("127.0.0.1:{}", crate::session::RUNTIME_API_PORT);
    variables.extend(crate::session::ADDRESS_VARIABLES.map(|name| (name.to_owned(), address.clone())));
    variables.extend(fixed.map(|(name, value)| (name.to_owned(), value)));
    let defaults = [
        ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{endpoint_port}")),
        ("PATH", PATH.to_owned()),
        ("TZ", ":UTC".to_owned()),
    ];
    for (name, value) in defaults {
        variables.entry(name.to_owned()).or_insert(value);
    }
    variables
}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> StartError {
        StartError::Environment { reason: format!("the image's files cannot be read: {error}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(files: &[(&str, u32)]) -> (tempfile::TempDir, Image) {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, mode) in files {
            let file = folder.path().join(name);
            std::fs::create_dir_all(file.parent().expect("a parent")).expect("folders");
            // The interpreter of scripts is only looked for, and every image has a root.
            std::fs::write(&file, "#!/\n").expect("a file");
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(*mode)).expect("a mode");
        }
        let image = Image { root: folder.path().to_owned(), ..Image::default() };
        (folder, image)
    }

    fn spec() -> EnvironmentSpec {
        EnvironmentSpec {
            id: "e".to_owned(),
            runtime: String::new(),
            image: None,
            handler: String::new(),
            code: Path::new("").to_owned(),
            layers: Vec::new(),
            variables: BTreeMap::from([("STAGE".to_owned(), "function".to_owned())]),
            memory_mb: 128,
            ephemeral_storage_mb: 512,
            network: None,
            init_timeout: std::time::Duration::from_secs(10),
            credentials: None,
            account_id: None,
            telemetry: crate::Telemetry::default(),
        }
    }

    #[test]
    fn finds_the_program_by_path_or_by_name_and_gives_it_the_command() {
        let (_folder, image) = image(&[("usr/bin/run", 0o755), ("app/own", 0o755)]);
        let cases = [("run", "/usr/bin/run"), ("/app/own", "/app/own"), ("./own", "/app/./own")];
        for (entrypoint, expected) in cases {
            let image = Image {
                entrypoint: vec![entrypoint.to_owned()],
                command: vec!["app.handler".to_owned()],
                working_dir: "/app".to_owned(),
                variables: vec!["STAGE=image".to_owned(), "MODE=a=b".to_owned()],
                ..image.clone()
            };
            let made = command(&spec(), &image, 4566).expect(entrypoint);
            assert_eq!(made.arguments, [expected, "app.handler"], "{entrypoint}");
            let value = |name: &str| made.variables.get(name).map(String::as_str);
            assert_eq!(value("_HANDLER"), Some("app.handler"));
            assert_eq!(value("STAGE"), Some("function"), "the function's variable goes before the image's");
            assert_eq!(value("MODE"), Some("a=b"));
        }
    }

    #[test]
    fn refuses_what_cannot_be_started() {
        let (folder, image) =
            image(&[("bin/data", 0o644), ("bin/run", 0o755), ("bin/other", 0o755), ("bin/lone", 0o755)]);
        std::fs::write(folder.path().join("bin/other"), "no program").expect("a file");
        std::fs::write(folder.path().join("bin/lone"), "#!/usr/bin/python9").expect("a file");
        let cases: [(&[&str], &str, &str, &str); 7] = [
            (&["/bin/other"], "/", "Runtime.InvalidEntrypoint", "fork/exec /bin/other: exec format error"),
            (&["lone"], "/", "Runtime.InvalidEntrypoint", "fork/exec /bin/lone: no such file or directory"),
            (&[], "/", "Runtime.InvalidEntrypoint", "neither ENTRYPOINT nor CMD"),
            (&["/bin/none"], "/", "Runtime.InvalidEntrypoint", "fork/exec /bin/none: no such file or directory"),
            (&["/bin/data"], "/", "Runtime.InvalidEntrypoint", "fork/exec /bin/data: permission denied"),
            (&["none"], "/", "Runtime.InvalidEntrypoint", "executable file not found in $PATH"),
            (&["/bin/run"], "/gone", "Runtime.InvalidWorkingDir", "chdir /gone: no such file or directory"),
        ];
        for (entrypoint, working_dir, error_type, message) in cases {
            let entrypoint = entrypoint.iter().map(|text| (*text).to_owned()).collect();
            let image = Image { entrypoint, working_dir: working_dir.to_owned(), ..image.clone() };
            let error = command(&spec(), &image, 4566).expect_err(message);
            assert_eq!(error.error_type(), error_type);
            let payload = String::from_utf8(error.payload("r").to_vec()).expect("JSON").replace("\\\"", "\"");
            assert!(payload.contains(message), "{payload}");
        }
    }

    #[test]
    fn follows_links_inside_of_the_image_only() {
        let (folder, image) = image(&[("usr/bin/run", 0o755)]);
        std::os::unix::fs::symlink("/usr/bin", folder.path().join("bin")).expect("a link");
        std::os::unix::fs::symlink("/../../../../../bin/sh", folder.path().join("usr/bin/outside")).expect("a link");
        let start = |entrypoint: &str| {
            command(&spec(), &Image { entrypoint: vec![entrypoint.to_owned()], ..image.clone() }, 4566)
        };
        assert_eq!(start("/bin/run").expect("inside").arguments, ["/bin/run"]);
        start("/bin/outside").expect_err("the host's shell is none of the image");
    }
}
