use std::os::unix::fs::MetadataExt;

use tar::{Builder, Header};

use super::*;

type Entries<'e> = &'e [(&'e str, EntryType, &'e str)];

/// A layer of entries: name, type, link or contents. Names are written as they are, whatever they are.
fn layer(entries: Entries<'_>) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (name, kind, text) in entries {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(0o4755);
        let is_link = matches!(kind, EntryType::Symlink | EntryType::Link);
        if is_link {
            header.as_old_mut().linkname[..text.len()].copy_from_slice(text.as_bytes());
        }
        let contents = if is_link { "" } else { text };
        header.set_size(contents.len() as u64);
        header.set_cksum();
        builder.append(&header, contents.as_bytes()).expect("memory");
    }
    builder.into_inner().expect("memory")
}

fn unpacked(bytes: &[u8]) -> (tempfile::TempDir, Result<Unpacked, Error>) {
    let outer = tempfile::tempdir().expect("a folder");
    let root = outer.path().join("root");
    fs::create_dir(&root).expect("a folder");
    let result = unpack(bytes, &root, &mut Room::new());
    (outer, result)
}

use EntryType::{Block, Char, Directory, Fifo, Link, Regular, Symlink};

#[test]
fn unpacks_files_links_and_folders_for_everyone_to_read() {
    let bytes = layer(&[
        ("./usr/bin/run", Regular, "#!"),
        ("usr/bin/also", Link, "./usr/bin/run"),
        ("/bin", Symlink, "usr/bin"),
        ("etc/passwd", Symlink, "/../../etc/shadow"),
        ("dev/sda", Block, ""),
        ("dev/tty", Char, ""),
        ("pipe", Fifo, ""),
        ("empty/", Directory, ""),
    ]);
    let (outer, result) = unpacked(&bytes);
    assert_eq!(result.expect("unpacked").bytes, 2);
    let root = outer.path().join("root");
    let run = fs::symlink_metadata(root.join("usr/bin/run")).expect("the file");
    assert_eq!(run.mode() & 0o7777, 0o555, "without set-user-id");
    assert_eq!(fs::metadata(root.join("usr/bin/also")).expect("the hard link").ino(), run.ino());
    assert_eq!(fs::read_link(root.join("bin")).expect("the link"), Path::new("usr/bin"));
    assert_eq!(fs::read_link(root.join("etc/passwd")).expect("a link for inside"), Path::new("/../../etc/shadow"));
    assert!(root.join("empty").is_dir());
    for absent in ["dev/sda", "dev/tty", "pipe"] {
        fs::symlink_metadata(root.join(absent)).expect_err(absent);
    }
}

#[test]
fn notes_what_a_layer_removes() {
    let bytes = layer(&[
        ("a/.wh.gone", Regular, ""),
        ("b/.wh..wh..opq", Regular, ""),
        (".wh.top", Regular, ""),
        (".wh..wh.plnk/x", Regular, "x"),
        ("c/.wh...", Regular, ""),
        ("c/.wh..wh.aufs", Regular, ""),
        ("d/kept", Regular, "k"),
    ]);
    let (outer, result) = unpacked(&bytes);
    let removals = result.expect("unpacked").removals;
    assert_eq!(removals.removed, [PathBuf::from("a/gone"), PathBuf::from("top")].into());
    assert_eq!(removals.emptied, [PathBuf::from("b")].into());
    assert!(outer.path().join("root/d/kept").is_file());
    assert!(!outer.path().join("root/c/.wh...").exists());
}

#[test]
fn nothing_is_written_outside() {
    let cases: [(&str, Entries<'_>); 8] = [
        ("climbs", &[("../escaped", Regular, "x")]),
        ("climbs within", &[("a/../../escaped", Regular, "x")]),
        ("absolute link, then through it", &[("out", Symlink, "/tmp"), ("out/escaped", Regular, "x")]),
        ("relative link, then through it", &[("out", Symlink, ".."), ("out/escaped", Regular, "x")]),
        ("folder through a link", &[("out", Symlink, ".."), ("out/escaped/", Directory, "")]),
        ("hard link to the host", &[("shadow", Link, "../../../../etc/shadow")]),
        ("hard link through a link", &[("etc", Symlink, "/etc"), ("passwd", Link, "etc/passwd")]),
        ("hard link to nothing", &[("a", Link, "b")]),
    ];
    for (name, entries) in cases {
        let (outer, result) = unpacked(&layer(entries));
        let error = result.expect_err(name);
        assert!(matches!(error, Error::Invalid { .. }), "{name}: {error}");
        let beside: Vec<_> = fs::read_dir(outer.path()).expect("the folder").flatten().collect();
        assert_eq!(beside.len(), 1, "{name}: only the root is there");
        assert!(!Path::new("/tmp/escaped").exists(), "{name}");
    }
}

#[test]
fn a_file_takes_no_folders_place_and_writes_through_no_link() {
    let bytes = layer(&[("a", Symlink, "/etc/hostname"), ("a", Regular, "own")]);
    let (outer, result) = unpacked(&bytes);
    result.expect("the file takes the link's place");
    let file = outer.path().join("root/a");
    assert!(fs::symlink_metadata(&file).expect("a file").is_file());
    assert_eq!(fs::read_to_string(&file).expect("a file"), "own");
    unpacked(&layer(&[("a/b", Regular, "x"), ("a", Regular, "x")])).1.expect_err("a folder is no file");
    unpacked(&layer(&[("a", Regular, "x"), ("a/b", Regular, "x")])).1.expect_err("a file is no folder");
}

#[test]
fn limits_hold_whatever_the_archive_says() {
    let bytes = layer(&[("a", Regular, "12345"), ("b", Regular, "12345")]);
    let folder = tempfile::tempdir().expect("a folder");
    let small = unpack(&bytes[..], folder.path(), &mut Room { bytes: 9, entries: 9 });
    assert!(matches!(small, Err(Error::TooLarge { .. })), "{small:?}");
    let folder = tempfile::tempdir().expect("a folder");
    let few = unpack(&bytes[..], folder.path(), &mut Room { bytes: 99, entries: 1 });
    assert!(matches!(few, Err(Error::TooLarge { .. })), "{few:?}");
    let name = "n".repeat(usize::try_from(EXTENSION_BYTES_MAX).expect("small") + 1);
    let long = unpacked(&layer(&[("././@LongLink", EntryType::GNULongName, &name), ("a", Regular, "")])).1;
    assert!(matches!(long, Err(Error::TooLarge { .. })), "a name that would fill the memory: {long:?}");
}

#[test]
fn names_that_fit_no_header_are_read() {
    let long = format!("{}/file", "d".repeat(150));
    let mut builder = Builder::new(Vec::new());
    let mut header = Header::new_gnu();
    header.set_size(1);
    header.set_mode(0o644);
    builder.append_data(&mut header, &long, &b"g"[..]).expect("memory");
    let pax = format!("{:0>3} path={}p\n", long.len() + 11, long);
    let mut bytes = layer(&[("x", EntryType::XHeader, &pax), ("short", Regular, "p")]);
    let mut whole = builder.into_inner().expect("memory");
    // The end of an archive are two empty blocks.
    whole.truncate(whole.len() - 1024);
    whole.append(&mut bytes);
    let (outer, result) = unpacked(&whole);
    result.expect("unpacked");
    let root = outer.path().join("root");
    assert_eq!(fs::read_to_string(root.join(&long)).expect("GNU's"), "g");
    assert_eq!(fs::read_to_string(root.join(format!("{long}p"))).expect("POSIX's"), "p");
}

#[test]
fn tells_of_a_layer_that_ends_early() {
    let bytes = layer(&[("a", Regular, &"x".repeat(5_000))]);
    let error = unpacked(&bytes[..2_000]).1.expect_err("half of it");
    assert!(matches!(error, Error::Invalid { .. }), "{error}");
}
