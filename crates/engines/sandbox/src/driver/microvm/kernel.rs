//! The kernel that guests run: a distribution's own, with the modules that a guest needs of it.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What a guest needs, by module. Those that a kernel has built in need no file.
const MODULES: [&str; 5] = ["virtio_pci", "virtio_console", "virtio_rng", "9pnet_virtio", "9p"];
/// The most files below a folder of modules; distributions have some 4,000.
const FILES_MAX: usize = 50_000;
/// The longest name of a release.
const RELEASE_BYTES_MAX: usize = 128;

/// A kernel and its modules.
#[derive(Debug)]
pub(super) struct Kernel {
    /// A bzImage.
    pub image: PathBuf,
    /// `uname -r` of it.
    pub release: String,
    /// Files of modules, in the order in which they are to be loaded.
    pub modules: Vec<PathBuf>,
}

impl Kernel {
    /// The named kernel, else the newest of the host's that has what guests need. Fails with a sentence.
    pub(super) fn find(named: Option<&Path>) -> Result<Kernel, String> {
        if let Some(image) = named {
            return Kernel::open(image);
        }
        let mut images = installed();
        images.sort_by_key(|(modified, _)| std::cmp::Reverse(*modified));
        let mut reason = "none is in /boot".to_owned();
        for (_, image) in images {
            match Kernel::open(&image) {
                Ok(kernel) => return Ok(kernel),
                Err(error) => reason = error,
            }
        }
        Err(format!(
            "no kernel for guests was found: {reason}; install one (Debian: `linux-image-amd64`) or name one with \
             `--microvm-kernel`, whose modules lie beside it, as /lib/modules does beside /boot"
        ))
    }

    fn open(image: &Path) -> Result<Kernel, String> {
        let bytes =
            fs::read(image).map_err(|error| format!("failed to read the kernel `{}`: {error}", image.display()))?;
        let release = release(&bytes).ok_or_else(|| format!("`{}` is no kernel for this machine", image.display()))?;
        let beside = image.parent().into_iter().flat_map(|dir| {
            let root = dir.parent().unwrap_or(dir);
            [root.join("lib/modules"), root.join("usr/lib/modules")]
        });
        let host = ["/lib/modules", "/usr/lib/modules"].map(PathBuf::from);
        let folders = beside.chain(host).map(|parent| parent.join(&release));
        let folder = folders.into_iter().find(|folder| folder.join("modules.builtin").exists());
        let folder =
            folder.ok_or_else(|| format!("the modules of kernel {release} (`{}`) were not found", image.display()))?;
        let modules = load_order(&Tree::read(&folder), &MODULES).map_err(|missing| {
            format!("kernel {release} has no module `{missing}`, which guests need to see files (Debian's cloud kernels lack it)")
        })?;
        Ok(Kernel { image: image.to_path_buf(), release, modules })
    }
}

impl Kernel {
    /// What tells its image from another one.
    pub(super) fn origin(&self) -> std::io::Result<String> {
        let meta = fs::metadata(&self.image)?;
        Ok(format!("{} {} {:?}", self.image.display(), meta.len(), meta.modified()?))
    }
}

/// Kernels of the host, with the time they were installed.
fn installed() -> Vec<(std::time::SystemTime, PathBuf)> {
    let boot = entries(Path::new("/boot")).into_iter().filter(|path| name_of(path).starts_with("vmlinuz"));
    let beside_modules = entries(Path::new("/lib/modules")).into_iter().map(|folder| folder.join("vmlinuz"));
    boot.chain(beside_modules).filter_map(|image| Some((fs::metadata(&image).ok()?.modified().ok()?, image))).collect()
}

/// The release that the header of a bzImage names: at 0x20e is where, less 0x200.
fn release(image: &[u8]) -> Option<String> {
    if image.get(0x202..0x206)? != b"HdrS" {
        return None;
    }
    let at = 0x200 + usize::from(u16::from_le_bytes(image.get(0x20e..0x210)?.try_into().ok()?));
    let text = image.get(at..)?.iter().take(RELEASE_BYTES_MAX).take_while(|byte| byte.is_ascii_graphic());
    let text: Vec<u8> = text.copied().collect();
    String::from_utf8(text).ok().filter(|text| !text.is_empty() && !text.contains('/'))
}

/// The modules of one kernel.
struct Tree {
    built_in: HashSet<String>,
    files: HashMap<String, PathBuf>,
    /// Of `modules.dep`, which an unpacked package lacks: then the modules themselves are asked.
    dependencies: HashMap<String, Vec<String>>,
}

impl Tree {
    fn read(folder: &Path) -> Tree {
        let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
        let built_in = text("modules.builtin").lines().filter_map(module_of).collect();
        let mut files = HashMap::new();
        let mut folders = vec![folder.join("kernel")];
        while let Some(folder) = folders.pop() {
            for path in entries(&folder) {
                if path.is_dir() {
                    folders.push(path);
                } else if let Some(module) = module_of(&name_of(&path))
                    && files.len() < FILES_MAX
                {
                    files.insert(module, path);
                }
            }
        }
        let dependencies = text("modules.dep");
        let dependencies = dependencies.lines().filter_map(|line| {
            let (file, needed) = line.split_once(':')?;
            Some((module_of(file)?, needed.split_whitespace().filter_map(module_of).collect()))
        });
        Tree { built_in, files, dependencies: dependencies.collect() }
    }

    fn dependencies(&self, module: &str, file: &Path) -> Vec<String> {
        match self.dependencies.get(module) {
            Some(known) => known.clone(),
            None => stated_dependencies(&fs::read(file).unwrap_or_default()),
        }
    }
}

/// The files to load for `wanted`, each after those that it depends on; fails with the name of one that is not there.
fn load_order(tree: &Tree, wanted: &[&str]) -> Result<Vec<PathBuf>, String> {
    fn visit(tree: &Tree, module: &str, done: &mut HashSet<String>, order: &mut Vec<PathBuf>) -> Result<(), String> {
        if tree.built_in.contains(module) || !done.insert(module.to_owned()) {
            return Ok(());
        }
        let file = tree.files.get(module).ok_or_else(|| module.to_owned())?;
        for dependency in tree.dependencies(module, file) {
            visit(tree, &dependency, done, order)?;
        }
        order.push(file.clone());
        Ok(())
    }
    let (mut done, mut order) = (HashSet::new(), Vec::new());
    for module in wanted {
        visit(tree, module, &mut done, &mut order)?;
    }
    Ok(order)
}

/// `depends=a,b` of a module's `.modinfo` section.
fn stated_dependencies(module: &[u8]) -> Vec<String> {
    const KEY: &[u8] = b"\0depends=";
    let Some(at) = module.windows(KEY.len()).position(|window| window == KEY) else { return Vec::new() };
    let value: Vec<u8> = module[at + KEY.len()..].iter().copied().take_while(|byte| *byte != 0).collect();
    let value = String::from_utf8_lossy(&value).into_owned();
    value.split(',').filter(|name| !name.is_empty()).map(|name| name.replace('-', "_")).collect()
}

/// `virtio_rng` of `kernel/drivers/char/hw_random/virtio-rng.ko.xz`.
fn module_of(path: &str) -> Option<String> {
    let (name, _) = path.rsplit('/').next()?.split_once(".ko")?;
    Some(name.replace('-', "_"))
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(root: &Path, modules: &[(&str, &str)], built_in: &str) -> PathBuf {
        let folder = root.join("lib/modules/6.1.0-test");
        for (path, depends) in modules {
            let file = folder.join("kernel").join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, format!("\0license=GPL\0depends={depends}\0")).unwrap();
        }
        fs::write(folder.join("modules.builtin"), built_in).unwrap();
        folder
    }

    fn image(root: &Path) -> PathBuf {
        let mut bytes = vec![0; 0x300];
        bytes[0x202..0x206].copy_from_slice(b"HdrS");
        bytes[0x20e..0x210].copy_from_slice(&0x80_u16.to_le_bytes());
        bytes[0x280..0x280 + 21].copy_from_slice(b"6.1.0-test (somebody)");
        fs::create_dir_all(root.join("boot")).unwrap();
        let image = root.join("boot/vmlinuz");
        fs::write(&image, bytes).unwrap();
        image
    }

    const ALL: [(&str, &str); 8] = [
        ("fs/9p/9p.ko", "9pnet,netfs"),
        ("fs/netfs/netfs.ko", ""),
        ("net/9p/9pnet.ko", ""),
        ("net/9p/9pnet_virtio.ko", "virtio_ring,9pnet"),
        ("virtio/virtio_ring.ko", ""),
        ("virtio/virtio_pci.ko", "virtio_ring"),
        ("char/virtio_console.ko", "virtio_ring"),
        ("char/virtio-rng.ko", "virtio_ring"),
    ];

    #[test]
    fn orders_modules_after_what_they_depend_on() {
        let dir = tempfile::tempdir().unwrap();
        tree(dir.path(), &ALL, "kernel/x/other.ko\n");
        let kernel = Kernel::find(Some(&image(dir.path()))).unwrap();
        assert_eq!(kernel.release, "6.1.0-test");
        let names: Vec<String> = kernel.modules.iter().map(|path| name_of(path)).collect();
        assert_eq!(names.len(), ALL.len());
        let at = |name: &str| names.iter().position(|found| found == name).unwrap();
        assert!(at("virtio_ring.ko") < at("virtio_pci.ko"));
        assert!(at("9pnet.ko") < at("9pnet_virtio.ko") && at("9pnet.ko") < at("9p.ko") && at("netfs.ko") < at("9p.ko"));
    }

    #[test]
    fn asks_no_file_of_what_is_built_in() {
        let dir = tempfile::tempdir().unwrap();
        let built_in = "kernel/virtio/virtio_ring.ko\nkernel/char/virtio-rng.ko\nkernel/virtio/virtio_pci.ko\n";
        tree(dir.path(), &ALL[..4], built_in);
        let folder = dir.path().join("lib/modules/6.1.0-test");
        let order = load_order(&Tree::read(&folder), &["virtio_pci", "virtio_rng", "9p"]).unwrap();
        assert_eq!(order.len(), 3);
        fs::write(folder.join("modules.dep"), "kernel/fs/9p/9p.ko: kernel/net/9p/9pnet.ko\n").unwrap();
        assert_eq!(load_order(&Tree::read(&folder), &["9p"]).unwrap().len(), 2, "what depmod found out counts");
    }

    #[test]
    fn names_what_a_kernel_lacks() {
        let dir = tempfile::tempdir().unwrap();
        tree(dir.path(), &ALL[1..], "");
        let error = Kernel::find(Some(&image(dir.path()))).unwrap_err();
        assert!(error.contains("no module `9p`"), "{error}");
        fs::write(dir.path().join("boot/vmlinuz"), "text").unwrap();
        let error = Kernel::find(Some(&dir.path().join("boot/vmlinuz"))).unwrap_err();
        assert!(error.contains("is no kernel"), "{error}");
    }
}
