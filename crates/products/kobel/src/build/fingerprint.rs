use std::fs;
use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};
use walkdir::WalkDir;
use wire::checksum::hex;

/// The SHA-256 of all that a build depends on, in hexadecimal: of every file below `code` (its path, whether it may be executed, its contents), and the runtime.
pub fn fingerprint(code: &Path, runtime: &str) -> io::Result<String> {
    let mut hash = Sha256::new();
    hash.update(env!("CARGO_PKG_VERSION"));
    hash.update([0]);
    hash.update(runtime);
    for entry in WalkDir::new(code).sort_by_file_name().into_iter().filter_entry(|entry| !is_residue(entry)) {
        let entry = entry?;
        if entry.file_type().is_dir() {
            continue;
        }
        let path = entry.path().strip_prefix(code).unwrap_or(entry.path());
        let contents = if entry.file_type().is_symlink() {
            fs::read_link(entry.path())?.into_os_string().into_encoded_bytes()
        } else {
            fs::read(entry.path())?
        };
        hash.update([0]);
        hash.update(path.as_os_str().as_encoded_bytes());
        hash.update([0, u8::from(is_executable(entry.path()))]);
        hash.update((contents.len() as u64).to_be_bytes());
        hash.update(&contents);
    }
    Ok(hex(&hash.finalize()))
}

/// What tools leave behind in a source folder, which is no part of it.
pub fn is_residue(entry: &walkdir::DirEntry) -> bool {
    const RESIDUE: [&str; 5] = ["__pycache__", ".git", ".kobel", ".aws-sam", ".DS_Store"];
    entry.depth() > 0 && entry.file_name().to_str().is_some_and(|name| RESIDUE.contains(&name))
}

#[cfg(unix)]
pub fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
pub fn is_executable(_path: &Path) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(files: &[(&str, &str)]) -> String {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, contents) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            fs::write(path, contents).expect("written");
        }
        fingerprint(folder.path(), "python3.12").expect("read")
    }

    #[test]
    fn depends_on_names_and_contents_but_not_on_residue() {
        let base = of(&[("a.py", "1"), ("b/c.py", "2")]);
        assert_eq!(base, of(&[("a.py", "1"), ("b/c.py", "2"), ("__pycache__/a.pyc", "x")]));
        assert_ne!(base, of(&[("a.py", "1"), ("b/c.py", "3")]));
        assert_ne!(base, of(&[("a.py", "1"), ("b/d.py", "2")]));
        assert_ne!(of(&[("a", "bc")]), of(&[("ab", "c")]));
    }
}
