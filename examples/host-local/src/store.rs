//! The state of one network on disk, byte for byte as the reference plugin keeps it.
//!
//! A directory with one file for each address in use, `lock`, and `last_reserved_ip.<set>`. Other files in it are ignored. An
//! address file appears with its full contents or not at all, even if the plugin is killed.

use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cni_skel::types::NetworkName;
use cni_skel::{Result, files};

use crate::address::from_file_name;
use crate::index::Index;
use crate::known::{Known, Scan};
use crate::owner::Owner;

/// The timeout of the lock: less than the one or two minutes that runtimes give a call.
const PATIENCE: Duration = Duration::from_secs(20);

/// The name of an address file while it is written, on file systems without unnamed files. Only the holder of the lock writes
/// it, so one name is enough. The reference plugin ignores it. If the plugin is killed, the next call that reads the directory
/// removes it.
pub(crate) const UNFINISHED: &str = ".unfinished";

/// The directory of one network, to read without the lock: address files appear and vanish as a whole.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    dir: PathBuf,
    /// The prefix of our files beside the directory. No network's name begins with a dot.
    beside: String,
    /// How long to wait for the lock before the runtime is asked to try again later.
    pub(crate) patience: Duration,
}

/// The addresses that are names in the directory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entries {
    /// The addresses of regular files.
    pub(crate) files: Vec<IpAddr>,
    /// The addresses of directories and links: in use by an unknown owner.
    pub(crate) others: Vec<IpAddr>,
    /// Whether a killed call has left an unfinished file.
    pub(crate) unfinished: bool,
}

impl Store {
    pub(crate) fn new(data_dir: &Path, network: &NetworkName) -> Self {
        Self { dir: data_dir.join(network.as_str()), beside: format!(".{network}"), patience: PATIENCE }
    }

    /// Sets the timeout of the lock, for tests.
    #[cfg(test)]
    pub(crate) fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns the path of one of our files beside the directory.
    pub(crate) fn beside(&self, kind: &str) -> PathBuf {
        self.dir.with_file_name(format!("{}.{kind}", self.beside))
    }

    pub(crate) fn index_path(&self) -> PathBuf {
        self.beside("index")
    }

    /// Creates the directory, and its missing parents.
    pub(crate) fn create(&self) -> Result<()> {
        Ok(files::create_dir_all(&self.dir, 0o755)?)
    }

    /// Reads the names in the directory. A missing directory counts as empty.
    pub(crate) fn entries(&self) -> Result<Entries> {
        let mut entries = Entries::default();
        let names = match files::read_dir(&self.dir) {
            Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(entries),
            names => names?,
        };
        for entry in names {
            let name = entry.file_name();
            entries.unfinished |= name == UNFINISHED;
            let Some(address) = name.to_str().and_then(from_file_name) else { continue };
            // The kernel returns the type along with the name, so this is no system call.
            if entry.file_type().is_ok_and(|kind| kind.is_file()) {
                entries.files.push(address);
            } else {
                entries.others.push(address);
            }
        }
        Ok(entries)
    }

    /// Reads the owner of an address. Returns `None` if it has no file.
    pub(crate) fn owner(&self, address: IpAddr) -> Result<Option<Owner>> {
        match read(&self.path_of(address)) {
            Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(None),
            contents => Ok(Some(Owner::parse(&contents?))),
        }
    }

    /// Reads all address files.
    pub(crate) fn scan(&self) -> Result<Scan> {
        let mut scan = Scan::default();
        let entries = self.entries()?;
        scan.unfinished = entries.unfinished;
        scan.others = entries.others;
        for address in entries.files {
            match self.owner(address) {
                Ok(Some(owner)) if owner.is_nobody() => scan.emptied.push(address),
                Ok(Some(owner)) => scan.holdings.push((address, owner)),
                Ok(None) => {}
                // The address is in use by an unknown owner.
                Err(error) => {
                    scan.errors.push(error);
                    scan.others.push(address);
                }
            }
        }
        Ok(scan.with_taken())
    }

    /// Returns the addresses in use, by the index or else by the names.
    pub(crate) fn look(&self) -> Result<Known> {
        self.index().map_or_else(|| self.look_at_names(), |index| Ok(Known::Index(index)))
    }

    /// Returns the addresses in use by the names of the files.
    pub(crate) fn look_at_names(&self) -> Result<Known> {
        let Entries { files, others, .. } = self.entries()?;
        Ok(Known::Scan(Scan::of_names(files.into_iter().chain(others))))
    }

    /// Opens the index, if it is up to date.
    pub(crate) fn index(&self) -> Option<Index> {
        Index::open(&self.index_path(), &self.dir, false).ok()
    }

    pub(crate) fn path_of(&self, address: IpAddr) -> PathBuf {
        self.dir.join(address.to_string())
    }
}

/// Reads a small file.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    // Larger than any file of this plugin.
    files::read(path, 1 << 20)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use cni_skel::types::{Attachment, ContainerId, IfName};

    use super::*;
    use crate::reservation::Reservation;

    fn store(dir: &Path) -> Store {
        Store::new(dir, &NetworkName::try_from("net").unwrap())
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
        let store = store(dir.path());
        let holder =
            |id| Attachment::new(ContainerId::try_from(id).unwrap(), IfName::try_from("eth0").unwrap());
        let address = "2001:db8::2".parse().unwrap();
        for has_files_without_a_name in [true, false] {
            let reservation = |id| {
                let reservation = Reservation::prepare(&store, &holder(id), 1, true).unwrap();
                if has_files_without_a_name { reservation } else { reservation.with_a_name() }
            };
            let (a, b) = (reservation("a"), reservation("b"));
            let locked = store.lock_or_create().unwrap();
            assert!(locked.reserve(address, &a).unwrap());
            assert!(!locked.reserve(address, &b).unwrap());
            assert!(locked.owner(address).unwrap().unwrap().is(&holder("a")));
            let path = dir.path().join("net/2001:db8::2");
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
            let names = fs::read_dir(dir.path().join("net")).unwrap();
            let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            assert_eq!(names, ["2001:db8::2", "lock"]);
            locked.release(address, b"a\r\neth0").unwrap();
        }
    }

    #[test]
    fn the_lock_file_is_empty_and_has_the_mode_that_the_reference_gives_it() {
        let dir = tempfile::tempdir().unwrap();
        let _locked = store(dir.path()).lock_or_create().unwrap();
        let metadata = dir.path().join("net/lock").metadata().unwrap();
        assert_eq!(metadata.len(), 0);
        // The umask of the process that runs the tests may take away the group's bits.
        assert_eq!(metadata.permissions().mode() & 0o707, 0o700);
    }
}
