use std::os::unix::fs::{MetadataExt, symlink};

use super::*;
use crate::document::machine;

/// A layer as files with contents, in the order given.
fn layer(files: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o755);
        if let Some(target) = text.strip_prefix("-> ") {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            builder.append_link(&mut header, name, target).expect("memory");
        } else {
            header.set_size(text.len() as u64);
            builder.append_data(&mut header, name, text.as_bytes()).expect("memory");
        }
    }
    builder.into_inner().expect("memory")
}

fn config(layers: &[Vec<u8>], architecture: &str) -> Vec<u8> {
    let layers: Vec<String> = layers.iter().map(|layer| Digest::of(layer).to_string()).collect();
    let config = serde_json::json!({
        "architecture": architecture, "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": layers},
        "config": {"Cmd": ["app.handler"], "Env": ["A=b"]},
    });
    config.to_string().into_bytes()
}

/// An OCI layout of gzip layers.
fn layout(folder: &Path, layers: &[Vec<u8>], architecture: &str) -> Reference {
    let blobs = folder.join("blobs/sha256");
    fs::create_dir_all(&blobs).expect("folders");
    let put = |bytes: &[u8], kind: &str| {
        let digest = Digest::of(bytes);
        fs::write(blobs.join(digest.hex()), bytes).expect("a blob");
        serde_json::json!({"mediaType": kind, "digest": digest.to_string(), "size": bytes.len()})
    };
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        io::Write::write_all(&mut encoder, bytes).expect("memory");
        encoder.finish().expect("memory")
    };
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "config": put(&config(layers, architecture), "application/vnd.oci.image.config.v1+json"),
        "layers": layers.iter().map(|layer| put(&gzip(layer), "application/vnd.oci.image.layer.v1.tar+gzip")).collect::<Vec<_>>(),
    });
    let manifest = put(manifest.to_string().as_bytes(), "application/vnd.oci.image.manifest.v1+json");
    let index = serde_json::json!({"schemaVersion": 2, "manifests": [manifest]});
    fs::write(folder.join("index.json"), index.to_string()).expect("an index");
    Reference::Layout { path: folder.to_owned(), tag: None }
}

struct Stage {
    images: Images,
    folder: tempfile::TempDir,
}

impl Stage {
    fn set() -> Stage {
        let folder = tempfile::tempdir().expect("a folder");
        Stage { images: Images::open(folder.path().join("images")).expect("images"), folder }
    }

    fn pull(&self, name: &str, layers: &[Vec<u8>]) -> Result<Arc<Image>, Error> {
        self.images.pull(&layout(&self.folder.path().join(name), layers, machine()))
    }

    fn count(&self, kind: &str) -> usize {
        fs::read_dir(self.folder.path().join("images").join(kind)).expect("a folder").count()
    }

    fn nothing_is_left(&self) {
        for kind in ["layers", "roots", "aside"] {
            assert_eq!(self.count(kind), 0, "{kind}");
        }
    }
}

#[test]
fn upper_layers_replace_and_remove() {
    let stage = Stage::set();
    let lower = layer(&[
        ("etc/own", "lower"),
        ("etc/gone", "x"),
        ("opaque/one", "1"),
        ("opaque/two", "2"),
        ("link", "-> etc"),
        ("folder/inside", "x"),
        ("tmp", "-> /etc"),
        ("etc/hosts", "1.2.3.4 own"),
    ]);
    let upper = layer(&[
        ("etc/own", "upper"),
        ("etc/.wh.gone", ""),
        ("opaque/.wh..wh..opq", ""),
        ("opaque/three", "3"),
        ("link/file", "no link any more"),
        ("folder", "-> opaque"),
    ]);
    let image = stage.pull("a", &[lower.clone(), upper]).expect("an image");
    let text = |name: &str| fs::read_to_string(image.root.join(name)).ok();
    assert_eq!(text("etc/own").as_deref(), Some("upper"));
    assert_eq!(text("etc/gone"), None);
    let mut left: Vec<_> = fs::read_dir(image.root.join("opaque")).expect("a folder").flatten().collect();
    assert_eq!(left.pop().expect("one").file_name(), "three");
    assert!(left.is_empty());
    assert_eq!(text("link/file").as_deref(), Some("no link any more"));
    assert!(fs::symlink_metadata(image.root.join("link")).expect("a folder").is_dir());
    assert_eq!(fs::read_link(image.root.join("folder")).expect("a link"), Path::new("opaque"));
    assert!(fs::symlink_metadata(image.root.join("tmp")).expect("a mount point").is_dir());
    assert!(text("etc/hosts").expect("hosts").starts_with("127.0.0.1 localhost"));
    assert_eq!(image.config.command, ["app.handler"]);
    // The layer itself still has its own.
    let hosts = stage.folder.path().join("images/layers").join(Digest::of(&lower).hex()).join("files/etc/hosts");
    assert_eq!(fs::read_to_string(hosts).expect("the layer's"), "1.2.3.4 own");
}

#[test]
fn removals_follow_no_link_out_of_the_image() {
    let stage = Stage::set();
    let outside = stage.folder.path().join("outside");
    fs::create_dir(&outside).expect("a folder");
    fs::write(outside.join("precious"), "x").expect("a file");
    let target = format!("-> {}", outside.display());
    let lower = layer(&[("out", &target)]);
    let upper = layer(&[("out/.wh.precious", ""), ("out/.wh..wh..opq", "")]);
    stage.pull("a", &[lower, upper]).expect("an image");
    assert!(outside.join("precious").exists());
}

#[test]
fn a_layer_is_unpacked_once_for_all_images() {
    let stage = Stage::set();
    let base = layer(&[("base", "x")]);
    let one = stage.pull("one", &[base.clone(), layer(&[("one", "1")])]).expect("an image");
    let two = stage.pull("two", &[base, layer(&[("two", "2")])]).expect("an image");
    let inode = |image: &Image| fs::metadata(image.root.join("base")).expect("the file").ino();
    assert_eq!(inode(&one), inode(&two));
    assert_eq!(stage.count("layers"), 3);
    assert_eq!(stage.count("aside"), 0);
}

#[test]
fn what_nobody_keeps_or_holds_is_collected() {
    let stage = Stage::set();
    let base = layer(&[("base", "x")]);
    let kept = stage.pull("kept", &[base.clone(), layer(&[("kept", "")])]).expect("an image").digest.clone();
    let held = stage.pull("held", &[base.clone(), layer(&[("held", "")])]).expect("an image");
    let gone = stage.pull("gone", &[base, layer(&[("gone", "")])]).expect("an image").digest.clone();
    let keep: HashSet<Digest> = [kept.clone()].into();
    assert_eq!(stage.images.collect(&keep).expect("collected"), 1);
    assert!(stage.images.get(&gone).expect("readable").is_none());
    assert!(held.root.join("base").exists());
    assert_eq!(stage.count("layers"), 3, "the shared one, and one each");
    drop(held);
    assert_eq!(stage.images.collect(&keep).expect("collected"), 1);
    assert_eq!((stage.count("roots"), stage.count("layers"), stage.count("aside")), (1, 2, 0));
    // A later process finds what is there.
    let again = Images::open(stage.folder.path().join("images")).expect("images");
    assert!(again.get(&kept).expect("readable").is_some());
}

#[test]
fn reads_archives_of_docker_save_and_tars_of_layouts() {
    let stage = Stage::set();
    let layers = [layer(&[("a", "1")]), layer(&[("b", "2")])];
    let config = config(&layers, machine());
    let manifest =
        serde_json::json!([{"Config": "config.json", "RepoTags": ["a:b"], "Layers": ["0/layer.tar", "1/layer.tar"]}]);
    let mut builder = tar::Builder::new(Vec::new());
    let mut append = |name: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        builder.append_data(&mut header, name, bytes).expect("memory");
    };
    append("0/layer.tar", &layers[0]);
    append("1/layer.tar", &layers[1]);
    append("config.json", &config);
    append("manifest.json", manifest.to_string().as_bytes());
    let saved = builder.into_inner().expect("memory");
    let plain = stage.folder.path().join("saved.tar");
    fs::write(&plain, &saved).expect("a file");
    let compressed = stage.folder.path().join("saved.tar.gz");
    let mut encoder =
        flate2::write::GzEncoder::new(File::create(&compressed).expect("a file"), flate2::Compression::fast());
    io::Write::write_all(&mut encoder, &saved).expect("a file");
    encoder.finish().expect("a file");
    for path in [plain, compressed] {
        let image = stage.images.pull(&Reference::DockerArchive { path }).expect("an image");
        assert_eq!(image.digest, Digest::of(&config), "an archive's image is known by its configuration");
        assert_eq!(fs::read_to_string(image.root.join("b")).expect("a file"), "2");
    }

    let folder = stage.folder.path().join("layout");
    let expected = stage.images.pull(&layout(&folder, &layers, machine())).expect("an image");
    let tar = stage.folder.path().join("layout.tar");
    let mut builder = tar::Builder::new(File::create(&tar).expect("a file"));
    builder.append_dir_all(".", &folder).expect("a file");
    builder.finish().expect("a file");
    let image = stage.images.pull(&Reference::Layout { path: tar, tag: None }).expect("an image");
    assert_eq!(image.digest, expected.digest);
}

#[test]
fn what_is_wrong_leaves_nothing_behind() {
    let stage = Stage::set();
    let good = layer(&[("a", "1")]);
    let folder = stage.folder.path().join("tampered");
    let reference = layout(&folder, std::slice::from_ref(&good), machine());
    for blob in fs::read_dir(folder.join("blobs/sha256")).expect("blobs").flatten() {
        let mut bytes = fs::read(blob.path()).expect("a blob");
        if bytes.starts_with(&[0x1f, 0x8b]) {
            // The time within gzip's header: what is unpacked is the same, what is stored is not.
            bytes[4] ^= 1;
            fs::write(blob.path(), bytes).expect("a blob");
        }
    }
    let error = stage.images.pull(&reference).expect_err("another digest").to_string();
    assert!(error.contains("a stored layer has the digest"), "{error}");

    let other = layout(&stage.folder.path().join("other"), std::slice::from_ref(&good), "mips");
    let error = stage.images.pull(&other).expect_err("another machine").to_string();
    assert!(error.contains("linux/mips"), "{error}");

    let second = layer(&[("a", "-> /tmp"), ("a/b", "x")]);
    let hostile = layout(&stage.folder.path().join("hostile"), &[good, second], machine());
    stage.images.pull(&hostile).expect_err("it goes through a link");

    let garbage =
        layout(&stage.folder.path().join("garbage"), &[b"no tar at all, but long enough".repeat(50)], machine());
    stage.images.pull(&garbage).expect_err("no tar");

    let absent = Reference::DockerArchive { path: stage.folder.path().join("absent.tar") };
    assert!(matches!(stage.images.pull(&absent), Err(Error::Missing { .. })));
    stage.nothing_is_left();
}

#[test]
fn blobs_of_a_layout_that_are_links_betray_nothing() {
    let stage = Stage::set();
    let folder = stage.folder.path().join("linked");
    let reference = layout(&folder, &[layer(&[("a", "1")])], machine());
    let secret = stage.folder.path().join("secret");
    fs::write(&secret, "secret").expect("a file");
    for blob in fs::read_dir(folder.join("blobs/sha256")).expect("blobs").flatten() {
        fs::remove_file(blob.path()).expect("a blob");
        symlink(&secret, blob.path()).expect("a link");
    }
    let error = stage.images.pull(&reference).expect_err("another file").to_string();
    assert!(!error.contains("secret"), "{error}");
}

#[test]
fn a_packed_layout_is_the_image_that_was_named() {
    let stage = Stage::set();
    let folder = stage.folder.path().join("layout");
    layout(&folder, &[layer(&[("a", "one")])], machine());
    let index = fs::read_to_string(folder.join("index.json")).expect("an index");
    let mut index: serde_json::Value = serde_json::from_str(&index).expect("JSON");
    let first = index["manifests"][0].clone();
    fs::remove_file(folder.join("index.json")).expect("a file");
    layout(&folder, &[layer(&[("a", "two")])], machine());
    let second = fs::read_to_string(folder.join("index.json")).expect("an index");
    let second: serde_json::Value = serde_json::from_str(&second).expect("JSON");
    index["manifests"] = serde_json::json!([first, second["manifests"][0]]);
    for (at, tag) in ["one", "two"].iter().enumerate() {
        index["manifests"][at]["annotations"] = serde_json::json!({"org.opencontainers.image.ref.name": tag});
    }
    fs::write(folder.join("index.json"), index.to_string()).expect("a file");
    for tag in ["one", "two"] {
        let named = Reference::Layout { path: folder.clone(), tag: Some(tag.to_owned()) };
        let (packed, again) = (named.pack().expect(tag), named.pack().expect(tag));
        assert_eq!(fs::read(packed.path()).expect(tag), fs::read(again.path()).expect(tag), "the same bytes");
        let image = stage.images.pull(&Reference::Archive { path: packed.path().to_owned() }).expect(tag);
        assert_eq!(fs::read_to_string(image.root.join("a")).expect(tag), tag);
    }
    Reference::Layout { path: folder, tag: Some("three".to_owned()) }.pack().expect_err("no such tag");
}
