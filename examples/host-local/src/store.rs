//! The state of one network on disk, byte for byte as the reference keeps it.
//!
//! A folder with one file for each address in use, `lock`, and `last_reserved_ip.<set>`. Everything else that
//! may be in the folder is passed over. An address file appears whole or not at all, whenever we are killed.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::net::IpAddr;
use std::ops::Deref;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cni_skel::types::{Attachment, ErrorCode, NetworkName};
use cni_skel::{Error, Result, files};
use nix::fcntl::OFlag;

use crate::address::from_file_name;
use crate::lock;
use crate::owner::Owner;

/// How long others may hold the lock before the runtime is asked to try again later.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where a file is written before it gets its name. Only who holds the lock does that, so one name will do. The
/// reference never takes it for an address; if we are killed before the end, the next call sweeps it up.
const UNFINISHED: &str = ".unfinished";

/// The folder of one network, for who only looks: files of ours appear and vanish whole, so no lock is needed.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    dir: PathBuf,
}

/// What the folder holds by name of an address.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entries {
    /// The addresses of regular files, which may tell their owner.
    pub(crate) files: Vec<IpAddr>,
    /// The addresses that something else stands for, a folder or a link: in use, by whom cannot be told.
    pub(crate) others: Vec<IpAddr>,
    /// Whether a killed call has left something half done.
    unfinished: bool,
}

impl Entries {
    /// All addresses that cannot be handed out.
    pub(crate) fn taken(&self) -> HashSet<IpAddr> {
        self.files.iter().chain(&self.others).copied().collect()
    }
}

impl Store {
    pub(crate) fn new(data_dir: &Path, network: &NetworkName) -> Self {
        Self { dir: data_dir.join(network.as_str()) }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Locks the folder, making it if it is not there.
    pub(crate) fn lock_or_create(&self) -> Result<Locked> {
        if let Some(locked) = self.lock()? {
            return Ok(locked);
        }
        files::create_dir_all(&self.dir, 0o755)
            .map_err(|cause| Error::io(format!("cannot create {}", self.dir.display()), cause))?;
        let vanished = || Error::new(ErrorCode::IO_FAILURE, format!("{} has vanished", self.dir.display()));
        self.lock()?.ok_or_else(vanished)
    }

    /// Locks the folder; none when there is no such folder.
    pub(crate) fn lock(&self) -> Result<Option<Locked>> {
        self.lock_within(PATIENCE)
    }

    fn lock_within(&self, limit: Duration) -> Result<Option<Locked>> {
        match lock::acquire(&self.dir, limit) {
            Ok(Some(lock)) => Ok(Some(Locked { store: self.clone(), _lock: lock })),
            Ok(None) => Err(Error::new(
                ErrorCode::TRY_AGAIN_LATER,
                format!("another process has held the lock in {} for {limit:?}", self.dir.display()),
            )),
            Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(Error::io(format!("cannot lock {}", self.dir.join("lock").display()), cause)),
        }
    }

    /// Reads the folder, names only. A folder that is not there is empty.
    pub(crate) fn entries(&self) -> Result<Entries> {
        let failed = |cause| Error::io(format!("cannot read {}", self.dir.display()), cause);
        let mut entries = Entries::default();
        let names = match files::read_dir(&self.dir) {
            Ok(names) => names,
            Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(entries),
            Err(cause) => return Err(failed(cause)),
        };
        for entry in names {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            entries.unfinished |= name == UNFINISHED;
            let Some(address) = name.to_str().and_then(from_file_name) else { continue };
            // The kernel tells the type along with the name, so this costs nothing.
            if entry.file_type().is_ok_and(|kind| kind.is_file()) {
                entries.files.push(address);
            } else {
                entries.others.push(address);
            }
        }
        Ok(entries)
    }

    /// Reads who holds an address; none when nobody does.
    pub(crate) fn owner(&self, address: IpAddr) -> Result<Option<Owner>> {
        let path = self.path_of(address);
        match read(&path) {
            Ok(contents) => Ok(Some(Owner::parse(&contents))),
            Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(Error::io(format!("cannot read {}", path.display()), cause)),
        }
    }

    fn path_of(&self, address: IpAddr) -> PathBuf {
        self.dir.join(address.to_string())
    }
}

/// The folder of one network, while this process alone may change it.
#[derive(Debug)]
pub(crate) struct Locked {
    store: Store,
    /// Unlocks when it is closed.
    _lock: File,
}

impl Locked {
    /// Reads the folder, names only, and sweeps up what a killed call has left half done.
    pub(crate) fn entries(&self) -> Result<Entries> {
        let entries = self.store.entries()?;
        if entries.unfinished {
            // If that fails, it is reported where the name is needed.
            let _ = files::remove_file(self.dir.join(UNFINISHED));
        }
        Ok(entries)
    }

    /// Reserves an address; false when it is in use.
    pub(crate) fn reserve(&self, address: IpAddr, attachment: &Attachment) -> Result<bool> {
        let path = self.path_of(address);
        let unfinished = self.write_unfinished(Owner::contents(attachment).as_bytes())?;
        let linked = files::hard_link(&unfinished, &path);
        // Should this fail, the next call sweeps it up.
        let _ = files::remove_file(&unfinished);
        match linked {
            Ok(()) => Ok(true),
            Err(cause) if cause.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(cause) => Err(Error::io(format!("cannot create {}", path.display()), cause)),
        }
    }

    /// Removes the file of an address, if it is there.
    pub(crate) fn release(&self, address: IpAddr) -> Result<()> {
        remove(&self.path_of(address))
    }

    /// The raw contents of `last_reserved_ip.<set>`; none when there is no such file, or it cannot be read. Only
    /// the order in which addresses are handed out depends on it.
    pub(crate) fn last_reserved(&self, set: usize) -> Option<Vec<u8>> {
        read(&self.last_reserved_path(set)).ok()
    }

    /// Replaces `last_reserved_ip.<set>`, or removes it.
    pub(crate) fn set_last_reserved(&self, set: usize, contents: Option<&[u8]>) -> Result<()> {
        let path = self.last_reserved_path(set);
        let Some(contents) = contents else { return remove(&path) };
        let unfinished = self.write_unfinished(contents)?;
        files::rename(&unfinished, &path).map_err(|cause| {
            let _ = files::remove_file(&unfinished);
            Error::io(format!("cannot write {}", path.display()), cause)
        })
    }

    fn last_reserved_path(&self, set: usize) -> PathBuf {
        self.dir.join(format!("last_reserved_ip.{set}"))
    }

    /// Writes a file that does not have its name yet.
    fn write_unfinished(&self, contents: &[u8]) -> Result<PathBuf> {
        let path = self.dir.join(UNFINISHED);
        let failed = |cause| Error::io(format!("cannot write {}", path.display()), cause);
        let create = || files::create(OpenOptions::new().write(true).create_new(true).mode(0o600), &path);
        let created = match create() {
            Err(cause) if cause.kind() == ErrorKind::AlreadyExists => {
                remove(&path)?;
                create()
            }
            created => created,
        };
        files::write_all(&created.map_err(failed)?, &path, contents).map_err(|cause| {
            let _ = files::remove_file(&path);
            failed(cause)
        })?;
        Ok(path)
    }
}

impl Deref for Locked {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

/// Reads a small file whole, neither following a link nor waiting for a fifo.
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    /// No file of ours is near that size, so what is larger may be cut.
    const LIMIT: u64 = 1 << 20;
    let mut options = OpenOptions::new();
    options.read(true).custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits());
    files::read_all(&files::open(&options, path)?, path, LIMIT)
}

/// Removes a file; one that is not there is as good as removed.
fn remove(path: &Path) -> Result<()> {
    match files::remove_file(path) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => {
            Err(Error::io(format!("cannot remove {}", path.display()), cause))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use cni_skel::types::{ContainerId, IfName};

    use super::*;

    fn store(dir: &Path) -> Store {
        Store::new(dir, &NetworkName::try_from("net").unwrap())
    }

    #[test]
    fn a_lock_that_others_hold_for_too_long_asks_to_try_again_later() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        let _held = store.lock_or_create().unwrap();
        let error = store.lock_within(Duration::from_millis(20)).unwrap_err();
        assert_eq!(error.code(), ErrorCode::TRY_AGAIN_LATER);
        assert!(error.msg().contains("/net for 20ms"), "{}", error.msg());
    }

    #[test]
    fn looking_makes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        assert!(store.lock().unwrap().is_none());
        assert!(store.entries().unwrap().files.is_empty());
        assert!(std::fs::read_dir(dir.path()).unwrap().next().is_none());
    }

    #[test]
    fn an_address_is_reserved_once_and_its_file_is_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let locked = store(dir.path()).lock_or_create().unwrap();
        let holder =
            |id| Attachment::new(ContainerId::try_from(id).unwrap(), IfName::try_from("eth0").unwrap());
        let address = "2001:db8::2".parse().unwrap();
        assert!(locked.reserve(address, &holder("a")).unwrap());
        assert!(!locked.reserve(address, &holder("b")).unwrap());
        assert!(locked.owner(address).unwrap().unwrap().is(&holder("a")));
        let path = dir.path().join("net/2001:db8::2");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
        let mut names: Vec<_> =
            fs::read_dir(dir.path().join("net")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["2001:db8::2", "lock"]);
    }

    #[test]
    fn a_long_file_is_read_to_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let contents = "x".repeat(100_000);
        fs::write(&path, &contents).unwrap();
        assert_eq!(read(&path).unwrap(), contents.as_bytes());
    }

    #[test]
    fn a_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/proc/self/environ", dir.path().join("link")).unwrap();
        assert!(read(&dir.path().join("link")).is_err());
    }
}
