//! Covers folders where plugins keep state with empty ones, for this process and its children only.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use nix::libc;
use nix::mount::{MsFlags, mount};

/// Mounts an empty folder in memory over each of these. Needs a mount namespace.
///
/// # Errors
/// A path is not absolute, or the kernel refuses a mount.
pub fn cover(folders: &BTreeSet<PathBuf>) -> io::Result<()> {
    let mut covered = Covered::default();
    for folder in folders {
        covered.add(folder).map_err(|why| {
            let text = format!("cannot put an empty folder over {}: {why}", folder.display());
            io::Error::new(why.kind(), text)
        })?;
    }
    Ok(())
}

/// Makes a covered folder read-only.
pub(crate) fn make_read_only(folder: &Path) -> io::Result<()> {
    let flags = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    Ok(mount(None::<&str>, folder, None::<&str>, flags, None::<&str>)?)
}

/// Mounts a file over itself, so that no process that sees the mount can delete it.
pub(crate) fn make_undeletable(file: &Path) -> io::Result<()> {
    Ok(mount(Some(file), file, None::<&str>, MsFlags::MS_BIND, None::<&str>)?)
}

/// The folders in memory, by their real paths.
#[derive(Debug, Default)]
struct Covered {
    /// Folders that started empty.
    empty: Vec<PathBuf>,
    /// Folders that still contain what they contained before.
    replaced: Vec<PathBuf>,
}

impl Covered {
    fn add(&mut self, folder: &Path) -> io::Result<()> {
        if !folder.is_absolute() || folder.components().any(|part| part == Component::ParentDir) {
            return Err(io::Error::other("the path is not absolute, or contains .."));
        }
        let there = folder.ancestors().find(|above| above.is_dir()).unwrap_or(Path::new("/"));
        let real = there.canonicalize()?;
        if self.empty.iter().any(|empty| real.starts_with(empty)) {
            return fs::create_dir_all(folder);
        }
        if real.parent().is_none() {
            return Err(io::Error::other("its only parent folder is /"));
        }
        if there == folder {
            cover_with_empty(&real)?;
            self.empty.push(real);
            return Ok(());
        }
        // The folder does not exist. An ordinary user cannot create it, and root should not. So the folder above it is
        // replaced by one in memory, with the same content.
        if !self.replaced.contains(&real) {
            replace(&real)?;
            self.replaced.push(real);
        }
        fs::create_dir_all(folder)?;
        self.empty.push(folder.canonicalize()?);
        Ok(())
    }
}

fn replace(folder: &Path) -> io::Result<()> {
    let below = OpenOptions::new().read(true).custom_flags(libc::O_PATH | libc::O_DIRECTORY).open(folder)?;
    let children: Vec<_> = fs::read_dir(folder)?.collect::<io::Result<_>>()?;
    cover_with_empty(folder)?;
    children.iter().try_for_each(|child| put_back(&below, child, &folder.join(child.file_name())))
}

fn cover_with_empty(folder: &Path) -> io::Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("cnitest"), folder, Some("tmpfs"), flags, Some("mode=0755"))?;
    Ok(())
}

/// Binds an entry of a covered folder to its old place.
fn put_back(below: &File, child: &fs::DirEntry, place: &Path) -> io::Result<()> {
    let covered = format!("/proc/self/fd/{}/{}", below.as_raw_fd(), child.file_name().display());
    let kind = child.file_type()?;
    if kind.is_symlink() {
        return symlink(fs::read_link(covered)?, place);
    }
    if kind.is_dir() {
        fs::create_dir(place)?;
    } else {
        File::create(place)?;
    }
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some(covered.as_str()), place, None::<&str>, flags, None::<&str>)?;
    Ok(())
}
