use std::io::{Cursor, Write};

use bytes::Bytes;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;

fn zip_of(text: &str) -> ByteStream {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("index.py", SimpleFileOptions::default()).unwrap();
    zip.write_all(text.as_bytes()).unwrap();
    ByteStream::from(Bytes::from(zip.finish().unwrap().into_inner()))
}

fn open(blobs: &Blobs, folder: &Path) -> Packages {
    Packages::open(blobs.clone(), Entropy::seeded(2), folder.join("code")).unwrap()
}

fn entries(packages: &Packages) -> usize {
    std::fs::read_dir(&packages.folder).unwrap().count()
}

#[tokio::test]
async fn a_stored_package_is_unpacked_now_and_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::memory(Entropy::seeded(1));
    let packages = open(&blobs, folder.path());
    let package = packages.store(zip_of("one")).await.unwrap();
    let read = |code: &Code| std::fs::read_to_string(code.path().join("index.py")).unwrap();
    assert_eq!(read(packages.unpacked(&package).await.unwrap().as_ref()), "one");
    assert_eq!(entries(&packages), 1);

    let packages = open(&blobs, folder.path());
    assert_eq!(entries(&packages), 0);
    assert_eq!(read(packages.unpacked(&package).await.unwrap().as_ref()), "one");
    assert_eq!(entries(&packages), 1);
}

#[tokio::test]
async fn what_nobody_refers_to_is_deleted_once_unused() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::memory(Entropy::seeded(1));
    let packages = open(&blobs, folder.path());
    let old = packages.store(zip_of("old")).await.unwrap();
    let new = packages.store(zip_of("new")).await.unwrap();
    let in_use = packages.unpacked(&old).await.unwrap();

    packages.collect(&[&old], &[&new]).await;
    assert!(in_use.path().join("index.py").exists());
    assert!(packages.archive(&old).await.is_err());

    drop(in_use);
    packages.collect(&[], &[&new]).await;
    assert_eq!(entries(&packages), 1);
    assert!(packages.unpacked(&new).await.is_ok());
}

#[tokio::test]
async fn a_refused_archive_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let packages = open(&Blobs::memory(Entropy::seeded(1)), folder.path());
    let error: wire::Error = packages.store(ByteStream::from(Bytes::from_static(b"no zip"))).await.unwrap_err().into();
    let expected = "Could not unzip uploaded file. Please check your file, then try to upload again.";
    assert_eq!((error.code.as_ref(), error.message.as_str()), ("InvalidParameterValueException", expected));
    assert_eq!(entries(&packages), 0);
}
