use std::fs;
use std::io::{self, Cursor, Write};
use std::path::Path;

use walkdir::WalkDir;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::build::{is_executable, is_residue};

/// The deployment package of a folder: the same bytes whenever its files are the same, whatever their times.
pub fn package(folder: &Path) -> io::Result<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let plain = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for entry in WalkDir::new(folder).min_depth(1).sort_by_file_name().into_iter().filter_entry(|e| !is_residue(e)) {
        let entry = entry?;
        let path = entry.path().strip_prefix(folder).unwrap_or(entry.path());
        let name = path.to_string_lossy().replace('\\', "/");
        if entry.file_type().is_dir() {
            continue;
        }
        let mode = if is_executable(entry.path()) { 0o755 } else { 0o644 };
        zip.start_file(name, plain.unix_permissions(mode)).map_err(io::Error::other)?;
        // A link becomes what it leads to, as with AWS's own tools.
        zip.write_all(&fs::read(entry.path())?)?;
    }
    Ok(zip.finish().map_err(io::Error::other)?.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_files_make_the_same_package() {
        let make = || {
            let folder = tempfile::tempdir().expect("a folder");
            fs::create_dir(folder.path().join("lib")).expect("made");
            fs::write(folder.path().join("lib/a.py"), "1").expect("written");
            fs::write(folder.path().join("b.py"), "2").expect("written");
            package(folder.path()).expect("packed")
        };
        let bytes = make();
        assert_eq!(bytes, make());
        let archive = zip::ZipArchive::new(Cursor::new(bytes)).expect("a zip");
        let mut names: Vec<_> = archive.file_names().collect();
        names.sort_unstable();
        assert_eq!(names, ["b.py", "lib/a.py"]);
    }
}
