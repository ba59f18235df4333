use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use base::Timestamp;
use zip::ZipArchive;
use zip::read::ZipFile;
use zip::result::ZipError;

/// The most that a function's package may hold unpacked, in bytes.
pub const UNPACKED_BYTES_MAX: u64 = 262_144_000;
/// The most entries of an archive.
const ENTRIES_MAX: usize = 200_000;
/// The most folders of a package, also those that are only parts of names: each costs the disk more than a file does.
const FOLDERS_MAX: usize = 20_000;
/// The longest name of an entry, in bytes: what Linux takes with the folder of the package before it.
const NAME_BYTES_MAX: usize = 3_072;
/// How deep folders may lie in each other: deeper than any package has them, and no work to find.
const DEPTH_MAX: usize = 128;
/// The longest part of a name, in bytes.
const PART_BYTES_MAX: usize = 255;
/// The longest target of a symbolic link, in bytes.
const LINK_BYTES_MAX: u64 = 4_096;

/// The type bits of a Unix mode, and those of a symbolic link.
const MODE_TYPE: u32 = 0o170_000;
const MODE_LINK: u32 = 0o120_000;

/// Why an archive is refused.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("the archive has no entries")]
    Empty,
    #[error("the archive holds more than {UNPACKED_BYTES_MAX} bytes")]
    TooLarge,
    #[error("the archive cannot be unpacked: {reason}")]
    Corrupt { reason: String },
    /// Not the archive's fault.
    #[error("failed to unpack into `{path}`")]
    Io { path: PathBuf, source: io::Error },
}

/// Unpacks `archive` into the new folder `root`. Nothing is written outside of it, no link leads out of it, and
/// no more is written than a package may hold, whatever the archive says of itself. All may read what it holds.
/// Gives the size of the files, in bytes.
pub fn unpack(archive: impl Read + Seek, root: &Path) -> Result<u64, ArchiveError> {
    let mut archive = ZipArchive::new(archive).map_err(corrupt)?;
    match archive.len() {
        0 => return Err(ArchiveError::Empty),
        entries if entries > ENTRIES_MAX => {
            return Err(ArchiveError::Corrupt { reason: format!("more than {ENTRIES_MAX} entries") });
        }
        _ => {}
    }
    fs::create_dir(root).map_err(|source| ArchiveError::Io { path: root.to_owned(), source })?;
    let mut room = Room { bytes: UNPACKED_BYTES_MAX, folders: FOLDERS_MAX };
    let mut links = Vec::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(corrupt)?;
        let path = root.join(inner_path(&entry)?);
        if entry.unix_mode().is_some_and(|mode| mode & MODE_TYPE == MODE_LINK) {
            links.push((path, link_target(&mut entry)?));
        } else if entry.is_dir() {
            make_folder(&path, &mut room)?;
        } else {
            write_file(&mut entry, &path, &mut room)?;
        }
    }
    // Links come last: no entry is ever written through one.
    for (path, target) in &links {
        make_link(path, target, &mut room)?;
    }
    links.iter().try_for_each(|(path, _)| check_link(path, root))?;
    Ok(UNPACKED_BYTES_MAX - room.bytes)
}

/// What may still be written.
struct Room {
    bytes: u64,
    folders: usize,
}

/// The entry's place below the root.
fn inner_path<R: Read>(entry: &ZipFile<'_, R>) -> Result<PathBuf, ArchiveError> {
    let name = entry.name();
    let is_short = |path: &PathBuf| {
        let parts = path.iter().all(|part| part.len() <= PART_BYTES_MAX);
        parts && path.as_os_str().len() <= NAME_BYTES_MAX && path.iter().count() <= DEPTH_MAX
    };
    let path = entry.enclosed_name().filter(|path| !path.as_os_str().is_empty() && is_short(path));
    path.ok_or_else(|| ArchiveError::Corrupt { reason: format!("the entry `{name}` has no place in the package") })
}

fn link_target<R: Read>(entry: &mut ZipFile<'_, R>) -> Result<PathBuf, ArchiveError> {
    let mut target = String::new();
    let outside = |name: &str| ArchiveError::Corrupt { reason: format!("the link `{name}` leads out of the package") };
    let name = entry.name().to_owned();
    entry.take(LINK_BYTES_MAX).read_to_string(&mut target).map_err(|error| corrupt(error.into()))?;
    let path = PathBuf::from(target);
    let relative =
        path.components().all(|part| matches!(part, Component::Normal(_) | Component::ParentDir | Component::CurDir));
    if relative && path.components().next().is_some() { Ok(path) } else { Err(outside(&name)) }
}

fn write_file<R: Read>(entry: &mut ZipFile<'_, R>, path: &Path, room: &mut Room) -> Result<(), ArchiveError> {
    if entry.size() > room.bytes {
        return Err(ArchiveError::TooLarge);
    }
    if let Some(folder) = path.parent() {
        make_folder(folder, room)?;
    }
    let mode = entry.unix_mode();
    let failed = |source| ArchiveError::Io { path: path.to_owned(), source };
    if path.is_dir() {
        return Err(ArchiveError::Corrupt { reason: format!("`{}` is a file and a folder", entry.name()) });
    }
    // The last one of two entries of the same name stays. The first one may not be written to any more.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let mut file = File::create(path).map_err(failed)?;
    let modified = modified(entry);
    let written = copy(&mut entry.take(room.bytes + 1), &mut file, path)?;
    // A JVM knows jars again by it, when the package is unpacked once more.
    file.set_modified(modified).map_err(failed)?;
    room.bytes = room.bytes.checked_sub(written).ok_or(ArchiveError::TooLarge)?;
    let executable = mode.is_some_and(|mode| mode & 0o111 != 0);
    set_mode(path, if executable { 0o555 } else { 0o444 }).map_err(failed)
}

/// When the entry was changed, as the archive tells without a time zone.
fn modified<R: Read>(entry: &ZipFile<'_, R>) -> SystemTime {
    let told = entry.last_modified().unwrap_or_default();
    let (year, month, day) = (told.year(), told.month(), told.day());
    let text = format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", told.hour(), told.minute(), told.second());
    let seconds = Timestamp::parse_iso8601(&text).map_or(0.0, Timestamp::secs_f64);
    SystemTime::UNIX_EPOCH + Duration::from_secs_f64(seconds.max(0.0))
}

/// Copies, telling a damaged archive from a full disk.
fn copy(entry: &mut impl Read, file: &mut File, path: &Path) -> Result<u64, ArchiveError> {
    let mut buffer = vec![0; 64 * 1024];
    let mut written = 0;
    loop {
        let count = entry.read(&mut buffer).map_err(|error| corrupt(error.into()))?;
        if count == 0 {
            return Ok(written);
        }
        let failed = |source| ArchiveError::Io { path: path.to_owned(), source };
        io::Write::write_all(file, &buffer[..count]).map_err(failed)?;
        written += count as u64;
    }
}

/// Makes the folder and those above it, as far as they are not there.
fn make_folder(path: &Path, room: &mut Room) -> Result<(), ArchiveError> {
    let missing: Vec<&Path> = path.ancestors().take_while(|folder| !folder.is_dir()).collect();
    for folder in missing.into_iter().rev() {
        let too_many = || ArchiveError::Corrupt { reason: format!("more than {FOLDERS_MAX} folders") };
        room.folders = room.folders.checked_sub(1).ok_or_else(too_many)?;
        fs::create_dir(folder).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
                ArchiveError::Corrupt { reason: format!("`{}` is a file and a folder", folder.display()) }
            }
            _ => ArchiveError::Io { path: folder.to_owned(), source: error },
        })?;
    }
    Ok(())
}

fn make_link(path: &Path, target: &Path, room: &mut Room) -> Result<(), ArchiveError> {
    if let Some(folder) = path.parent() {
        make_folder(folder, room)?;
    }
    #[cfg(unix)]
    let made = std::os::unix::fs::symlink(target, path);
    #[cfg(not(unix))]
    let made = Err(io::Error::new(io::ErrorKind::Unsupported, format!("a link to {}", target.display())));
    made.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            ArchiveError::Corrupt { reason: format!("`{}` is there twice", path.display()) }
        }
        _ => ArchiveError::Io { path: path.to_owned(), source: error },
    })
}

/// Follows a link, with all the links it goes through: it must stay below the root. One that leads nowhere must
/// at least not climb above it by its own words.
fn check_link(link: &Path, root: &Path) -> Result<(), ArchiveError> {
    let outside = || ArchiveError::Corrupt { reason: format!("the link `{}` leads out", link.display()) };
    let io = |source| ArchiveError::Io { path: link.to_owned(), source };
    let root = root.canonicalize().map_err(io)?;
    match link.canonicalize() {
        Ok(end) if end.starts_with(&root) => Ok(()),
        Ok(_) => Err(outside()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let target = fs::read_link(link).map_err(io)?;
            let folder = link.parent().unwrap_or(&root).canonicalize().map_err(io)?;
            let depth = folder.strip_prefix(&root).map_err(|_| outside())?.components().count();
            stays_inside(&target, depth).then_some(()).ok_or_else(outside)
        }
        // A loop, or a link through a file.
        Err(_) => Err(outside()),
    }
}

/// Whether a path that begins `depth` folders below the root never climbs above it.
fn stays_inside(target: &Path, depth: usize) -> bool {
    let mut depth = depth;
    target.components().all(|part| match part {
        Component::ParentDir => {
            let above = depth.checked_sub(1);
            depth = above.unwrap_or_default();
            above.is_some()
        }
        Component::Normal(_) => {
            depth += 1;
            true
        }
        _ => true,
    })
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn set_mode(path: &Path, _: u32) -> io::Result<()> {
    let mut permissions = fs::metadata(path)?.permissions();
    permissions.set_readonly(true);
    fs::set_permissions(path, permissions)
}

fn corrupt(error: ZipError) -> ArchiveError {
    ArchiveError::Corrupt { reason: error.to_string() }
}

#[cfg(test)]
mod tests;
