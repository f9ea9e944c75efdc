//! Folders where plugins keep state: empty ones in place of the machine's, for this process and its children alone.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use nix::libc;
use nix::mount::{MsFlags, mount};

/// Puts an empty folder in memory over each of these. Needs a mount namespace of one's own.
///
/// # Errors
/// When one of them is no absolute path, or the kernel refuses.
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

/// Makes a covered folder one that cannot be written to.
pub(crate) fn make_read_only(folder: &Path) -> io::Result<()> {
    let flags = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    Ok(mount(None::<&str>, folder, None::<&str>, flags, None::<&str>)?)
}

/// Mounts a file over itself: then nobody who sees the mount can delete it.
pub(crate) fn make_undeletable(file: &Path) -> io::Result<()> {
    Ok(mount(Some(file), file, None::<&str>, MsFlags::MS_BIND, None::<&str>)?)
}

/// What is in memory by now, by real paths.
#[derive(Debug, Default)]
struct Covered {
    /// Folders that were empty at first.
    empty: Vec<PathBuf>,
    /// Folders that have what they had before.
    replaced: Vec<PathBuf>,
}

impl Covered {
    fn add(&mut self, folder: &Path) -> io::Result<()> {
        if !folder.is_absolute() || folder.components().any(|part| part == Component::ParentDir) {
            return Err(io::Error::other("it is no absolute path without .."));
        }
        let there = folder.ancestors().find(|above| above.is_dir()).unwrap_or(Path::new("/"));
        let real = there.canonicalize()?;
        if self.empty.iter().any(|empty| real.starts_with(empty)) {
            return fs::create_dir_all(folder);
        }
        if real.parent().is_none() {
            return Err(io::Error::other("there is no folder above it but /"));
        }
        if there == folder {
            cover_with_empty(&real)?;
            self.empty.push(real);
            return Ok(());
        }
        // It is not there, and an ordinary user cannot make it, and root should not. So the one above it is replaced,
        // with all that is in it at its place.
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

/// Binds something out of a covered folder to the place where it was.
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
