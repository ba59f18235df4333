use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::*;

enum Entry<'a> {
    File(&'a str, &'a [u8], u32),
    Folder(&'a str),
    Link(&'a str, &'a str),
}
use Entry::{File as F, Folder, Link};

fn archive(entries: &[Entry<'_>]) -> Cursor<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for entry in entries {
        match entry {
            F(name, bytes, mode) => {
                zip.start_file(*name, options.unix_permissions(*mode)).unwrap();
                zip.write_all(bytes).unwrap();
            }
            Folder(name) => zip.add_directory(*name, options).unwrap(),
            Link(name, target) => zip.add_symlink(*name, *target, options).unwrap(),
        }
    }
    zip.finish().unwrap()
}

fn unpack_all(entries: &[Entry<'_>]) -> (tempfile::TempDir, Result<u64, ArchiveError>) {
    let folder = tempfile::tempdir().unwrap();
    let outcome = unpack(archive(entries), &folder.path().join("code"));
    (folder, outcome)
}

#[test]
fn files_have_the_times_of_the_archive() {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let time = zip::DateTime::from_date_and_time(2024, 2, 29, 23, 59, 58).unwrap();
    zip.start_file("a.jar", SimpleFileOptions::default().last_modified_time(time)).unwrap();
    zip.write_all(b"x").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("code");
    unpack(zip.finish().unwrap(), &root).unwrap();
    let modified = fs::metadata(root.join("a.jar")).unwrap().modified().unwrap();
    assert_eq!(modified, SystemTime::UNIX_EPOCH + Duration::from_secs(1_709_251_198));
}

#[test]
fn unpacks_files_folders_and_inner_links_for_all_to_read() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, outcome) = unpack_all(&[
        F("index.py", b"pass", 0o600),
        F("lib/deep/tool", b"#!", 0o700),
        Folder("empty/"),
        Link("lib/current", "deep"),
        Link("lib/index.py", "../index.py"),
    ]);
    assert_eq!(outcome.unwrap(), 6);
    let root = folder.path().join("code");
    let mode = |path: &str| fs::metadata(root.join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("index.py"), mode("lib/deep/tool")), (0o444, 0o555));
    assert_eq!(fs::read(root.join("lib/current/tool")).unwrap(), b"#!");
    assert_eq!(fs::read(root.join("lib/index.py")).unwrap(), b"pass");
    assert!(root.join("empty").is_dir());
}

#[test]
fn refuses_what_leaves_the_package() {
    let cases: [&[Entry<'_>]; 9] = [
        &[F("../evil", b"", 0o644)],
        &[F("a/../../evil", b"", 0o644)],
        &[Link("etc", "/etc")],
        &[Link("up", "..")],
        &[Link("a/up", "../../nowhere")],
        &[Folder("sub/"), Link("sub/top", ".."), Link("out", "sub/top/..")],
        &[Link("a", "b"), Link("b", "a")],
        &[Link("a", "."), F("a/file", b"", 0o644)],
        &[F("a", b"", 0o644), F("a/b", b"", 0o644)],
    ];
    for (number, entries) in cases.iter().enumerate() {
        let (folder, outcome) = unpack_all(entries);
        assert!(matches!(outcome, Err(ArchiveError::Corrupt { .. })), "case {number}: {outcome:?}");
        assert!(!folder.path().join("evil").exists(), "case {number}");
    }
}

#[test]
fn refuses_what_is_no_archive() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = unpack(Cursor::new(b"not a zip".to_vec()), &folder.path().join("code"));
    assert!(matches!(outcome, Err(ArchiveError::Corrupt { .. })), "{outcome:?}");

    let mut damaged = archive(&[F("a", &[7; 1000], 0o644)]).into_inner();
    damaged[35] ^= 0xff;
    let outcome = unpack(Cursor::new(damaged), &folder.path().join("damaged"));
    assert!(matches!(outcome, Err(ArchiveError::Corrupt { .. })), "{outcome:?}");

    let (_, outcome) = unpack_all(&[]);
    assert!(matches!(outcome, Err(ArchiveError::Empty)), "{outcome:?}");
}

#[test]
fn a_bomb_is_refused_by_its_true_size() {
    let zeros = vec![0; 16 * 1024 * 1024];
    let names: Vec<String> = (0..16).map(|number| format!("zeros-{number}")).collect();
    let entries: Vec<Entry<'_>> = names.iter().map(|name| F(name, &zeros, 0o644)).collect();
    let (_folder, outcome) = unpack_all(&entries);
    assert!(matches!(outcome, Err(ArchiveError::TooLarge)), "{outcome:?}");
}
