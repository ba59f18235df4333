//! Which external extensions a function has, and what they are started with.

#[cfg(target_os = "linux")]
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use crate::spec::EnvironmentSpec;

/// Where they are, as seen from inside.
pub(crate) const FOLDER: &str = "/opt/extensions";
/// Variables that describe the runtime, which extensions do not get, as on Lambda.
#[cfg(target_os = "linux")]
const RUNTIME_VARIABLES: [&str; 11] = [
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_XRAY_CONTEXT_MISSING",
    "AWS_XRAY_DAEMON_ADDRESS",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
    "_AWS_XRAY_DAEMON_ADDRESS",
    "_AWS_XRAY_DAEMON_PORT",
    "_HANDLER",
    "_KOBEL_CHANNEL",
];

/// The names of a function's external extensions, in order: every file of `/opt/extensions`.
pub(crate) fn names(spec: &EnvironmentSpec) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    match &spec.image {
        Some(image) => collect(&image.root, &image.root.join("opt/extensions"), &mut names)?,
        None => spec.layers.iter().try_for_each(|layer| collect(layer, &layer.join("extensions"), &mut names))?,
    }
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

/// Adds the names of a folder's files, if it is there and not outside of `root` by a link.
fn collect(root: &Path, folder: &Path, names: &mut Vec<String>) -> io::Result<()> {
    let folder = match folder.canonicalize() {
        Ok(folder) => folder,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(()),
        Err(error) => return Err(error),
    };
    if !folder.starts_with(root.canonicalize()?) || !folder.is_dir() {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_type()?.is_dir()
            && let Ok(name) = entry.file_name().into_string()
        {
            names.push(name);
        }
    }
    Ok(())
}

/// What Lambda calls the reason why an extension could not be started.
pub(super) fn reason_of(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "PermissionDenied",
        _ => "UnknownError",
    }
}

/// An error of the kernel's without Rust's additions.
pub(super) fn text_of(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    text[..1].to_lowercase() + &text[1..]
}

/// The variables of extensions, `NAME=value`, from those of the runtime.
#[cfg(target_os = "linux")]
pub(crate) fn variables(of_runtime: &BTreeMap<String, String>) -> Vec<String> {
    let shown = of_runtime.iter().filter(|(name, _)| !RUNTIME_VARIABLES.contains(&name.as_str()));
    shown.map(|(name, value)| format!("{name}={value}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_read_as_on_lambda() {
        let denied = io::Error::from_raw_os_error(libc::EACCES);
        assert_eq!((reason_of(&denied), text_of(&denied).as_str()), ("PermissionDenied", "permission denied"));
        let no_program = io::Error::from_raw_os_error(libc::ENOEXEC);
        assert_eq!((reason_of(&no_program), text_of(&no_program).as_str()), ("UnknownError", "exec format error"));
    }

    #[test]
    fn every_file_of_the_folder_is_an_extension_and_links_lead_nowhere() {
        let dir = tempfile::tempdir().expect("a folder");
        let layer = dir.path().join("layer");
        std::fs::create_dir_all(layer.join("extensions/lib")).expect("a folder");
        std::fs::write(layer.join("extensions/b"), "").expect("a file");
        std::fs::write(layer.join("extensions/a"), "").expect("a file");
        let mut names = Vec::new();
        collect(&layer, &layer.join("extensions"), &mut names).expect("names");
        names.sort_unstable();
        assert_eq!(names, ["a", "b"]);
        let other = dir.path().join("other");
        std::fs::create_dir(&other).expect("a folder");
        std::os::unix::fs::symlink(layer.join("extensions"), other.join("extensions")).expect("a link");
        names.clear();
        collect(&other, &other.join("extensions"), &mut names).expect("names");
        collect(&other, &other.join("absent"), &mut names).expect("names");
        assert!(names.is_empty());
    }
}
