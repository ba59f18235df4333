//! Finds the pinned botocore, whose wheel holds the interface models.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// The `data` folder of botocore at the pinned version: the installed one if it is of that version, else one
/// installed into the cache folder outside the clone.
pub fn data_folder(root: &Path) -> Result<PathBuf, String> {
    let version = pinned_version(root)?;
    if let Some(folder) = installed(&version) {
        return Ok(folder);
    }
    let cache = cache_folder()?.join(format!("botocore-{version}"));
    if !is_version(&cache, &version) {
        install(&version, &cache)?;
    }
    Ok(cache.join("botocore/data"))
}

fn pinned_version(root: &Path) -> Result<String, String> {
    let path = root.join("xtask/botocore-version");
    match fs::read_to_string(&path) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(error) => Err(format!("failed to read `{}`: {error}", path.display())),
    }
}

/// Where the Python on the path has botocore, if it has that version.
fn installed(version: &str) -> Option<PathBuf> {
    let script = "import botocore, os; print(botocore.__version__); print(os.path.dirname(botocore.__file__))";
    let output = Command::new("python3").args(["-c", script]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let mut lines = text.lines();
    let found = lines.next()?;
    let folder = PathBuf::from(lines.next()?).join("data");
    (found == version && folder.is_dir()).then_some(folder)
}

fn is_version(folder: &Path, version: &str) -> bool {
    folder.join(format!("botocore-{version}.dist-info")).is_dir() && folder.join("botocore/data").is_dir()
}

fn install(version: &str, folder: &Path) -> Result<(), String> {
    eprintln!("codegen: installing botocore {version} into {}", folder.display());
    let requirement = format!("botocore=={version}");
    let status = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--target"])
        .arg(folder)
        .arg(&requirement)
        .status();
    match status {
        Ok(status) if status.success() && is_version(folder, version) => Ok(()),
        _ => Err(format!(
            "The interface models are missing: botocore {version} is not installed and `python3 -m pip install \
             {requirement}` failed. Run `make setup`, or install {requirement} for the python3 on the PATH."
        )),
    }
}

fn cache_folder() -> Result<PathBuf, String> {
    if let Some(folder) = env::var_os("KOBEL_CACHE") {
        return Ok(PathBuf::from(folder));
    }
    if let Some(folder) = env::var_os("XDG_CACHE_HOME") {
        return Ok(PathBuf::from(folder).join("kobel"));
    }
    match env::var_os("HOME") {
        Some(home) => Ok(PathBuf::from(home).join(".cache/kobel")),
        None => Err("there is no cache folder: set KOBEL_CACHE or HOME".to_owned()),
    }
}
