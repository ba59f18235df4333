use base::Entropy;
use bytes::Bytes;
use futures_util::TryStreamExt;

use crate::{BlobId, Blobs, Error};

fn engines() -> Vec<(Blobs, Option<tempfile::TempDir>)> {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = Blobs::open(folder.path(), Entropy::seeded(1)).expect("opens");
    vec![(Blobs::memory(Entropy::seeded(1)), None), (disk, Some(folder))]
}

async fn part(blobs: &Blobs, id: &BlobId, range: Option<std::ops::Range<u64>>) -> Vec<u8> {
    let chunks: Vec<Bytes> = blobs.get(id, range).await.expect("there").try_collect().await.expect("read");
    chunks.concat()
}

#[tokio::test]
async fn gives_back_what_was_written_whole_and_in_parts() {
    for (blobs, _folder) in engines() {
        let written: Vec<u8> = (0..300_000u32).map(|n| n as u8).collect();
        let mut writer = blobs.writer().await.expect("begun");
        for chunk in written.chunks(7_777) {
            writer.write(Bytes::copy_from_slice(chunk)).await.expect("written");
        }
        assert_eq!(writer.length(), 300_000);
        let id = writer.finish().await.expect("finished");
        assert_eq!(blobs.length(&id).await.expect("there"), 300_000);
        assert_eq!(part(&blobs, &id, None).await, written);
        assert_eq!(part(&blobs, &id, Some(100..200_100)).await, &written[100..200_100]);
        assert_eq!(part(&blobs, &id, Some(299_999..400_000)).await, &written[299_999..]);
        assert!(part(&blobs, &id, Some(400_000..500_000)).await.is_empty());
        assert!(matches!(blobs.read(&id, 299_999).await, Err(Error::TooLarge { .. })));
    }
}

#[tokio::test]
async fn concatenates_and_deletes() {
    for (blobs, _folder) in engines() {
        let a = blobs.put(Bytes::from_static(b"ab")).await.expect("put");
        let b = blobs.put(Bytes::from_static(b"cd")).await.expect("put");
        let both = blobs.concat(&[a.clone(), b, a.clone()]).await.expect("put");
        assert_eq!(blobs.read(&both, 100).await.expect("read"), "abcdab");
        blobs.delete(&a).await.expect("deleted");
        blobs.delete(&a).await.expect("deleted twice");
        assert!(matches!(blobs.get(&a, None).await.err(), Some(Error::Missing { .. })));
    }
}

#[tokio::test]
async fn a_blob_is_made_of_bytes_and_of_other_blobs() {
    for (blobs, _folder) in engines() {
        let large = blobs.put(Bytes::from(vec![7; 1_000_000])).await.expect("put");
        let mut writer = blobs.writer().await.expect("begun");
        writer.write(Bytes::from_static(b"before")).await.expect("written");
        writer.append(&large).await.expect("appended");
        writer.write(Bytes::from_static(b"after")).await.expect("written");
        assert_eq!(writer.length(), 1_000_011);
        let whole = writer.finish().await.expect("finished");
        let bytes = blobs.read(&whole, 2_000_000).await.expect("read");
        assert_eq!((&bytes[..7], &bytes[1_000_005..]), (&b"before\x07"[..], &b"\x07after"[..]));
        assert_eq!(blobs.length(&whole).await.expect("there"), 1_000_011);
        let missing = "0".repeat(32).parse().expect("well-formed");
        assert!(matches!(blobs.concat(&[large, missing]).await, Err(Error::Missing { .. })));
    }
}

#[tokio::test]
async fn what_cannot_be_finished_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let blobs = Blobs::open(folder.path(), Entropy::seeded(1)).expect("opens");
    // The first id of the same seed: its folder's place is taken by a file.
    let id = {
        let elsewhere = Blobs::memory(Entropy::seeded(1));
        elsewhere.put(Bytes::new()).await.expect("put")
    };
    std::fs::write(folder.path().join(&id.as_str()[..2]), "in the way").expect("written");
    assert!(matches!(blobs.put(Bytes::from_static(b"bytes")).await, Err(Error::Io { .. })));
    assert_eq!(std::fs::read_dir(folder.path().join("drafts")).expect("read").count(), 0);
}

#[tokio::test]
async fn a_dropped_writer_leaves_nothing_and_sweeping_keeps_what_is_kept() {
    for (blobs, folder) in engines() {
        let kept = blobs.put(Bytes::from_static(b"kept")).await.expect("put");
        blobs.put(Bytes::from_static(b"orphan")).await.expect("put");
        drop(blobs.writer().await.expect("begun"));
        let keep = kept.clone();
        assert_eq!(blobs.sweep(move |id| *id == keep).await.expect("swept"), 1);
        assert_eq!(blobs.read(&kept, 10).await.expect("read"), "kept");
        if let Some(folder) = folder {
            let drafts = std::fs::read_dir(folder.path().join("drafts")).expect("read").count();
            assert_eq!(drafts, 0);
        }
    }
}

#[test]
fn ids_that_could_lead_elsewhere_are_refused() {
    for text in
        ["", "..", "../../../etc/passwd", "0123456789ABCDEF0123456789abcdef", "0123456789abcdef0123456789abcde/"]
    {
        assert!(text.parse::<BlobId>().is_err(), "{text}");
    }
}
