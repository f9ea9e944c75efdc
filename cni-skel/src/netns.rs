//! A network namespace: opened from a path, compared, entered by a thread of its own.

use std::fs::{self, File, OpenOptions};
#[cfg(feature = "net")]
use std::os::fd::AsRawFd;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, io, panic, thread};

use nix::libc;

use crate::files::failed;
use crate::seam::{Kernel, Operation, World};

/// The namespace of the thread that opens it. `/proc/self` would be that of the main thread.
const OWN: &str = "/proc/thread-self/ns/net";

/// A network namespace that is held open.
///
/// The one to work in is named by
/// [`CNI_NETNS`](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#parameters).
///
/// As long as a value lives so does the namespace, even when its path is gone. Clones share one
/// descriptor. The calling thread's namespace is never changed: [`run`](Self::run) enters on a
/// thread of its own.
#[derive(Clone)]
pub struct Netns {
    path: PathBuf,
    behind: Behind,
}

/// What a path leads to.
#[derive(Clone)]
enum Behind {
    Open(Arc<OpenNetns>),
    /// A namespace of a kernel that a test made up.
    MadeUp(Arc<dyn Kernel>),
}

/// What identifies a namespace, and keeps it alive.
struct OpenNetns {
    file: File,
    device: u64,
    inode: u64,
}

impl Netns {
    /// Opens the namespace at a path, for example the one in `CNI_NETNS`.
    ///
    /// # Errors
    ///
    /// The path cannot be opened (the kind is kept: `NotFound`, `PermissionDenied`), or what is there
    /// is not a network namespace (`InvalidInput`): an ordinary file, a directory, a FIFO, or a
    /// namespace of another kind.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        if let Some(kernel) = World::current().kernel {
            return Ok(Self::made_up(path, kernel.open_netns(path)?));
        }
        // Neither wait for a FIFO's writer nor take a terminal for our own.
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
            .open(path)
            .map_err(|e| failed("open", path, e))?;
        if let Some(why) = why_not_netns(&file).map_err(|e| failed("ask for the kind of", path, e))? {
            return Err(refused(path, why));
        }
        let metadata = file.metadata().map_err(|e| failed("stat", path, e))?;
        let open = OpenNetns { file, device: metadata.dev(), inode: metadata.ino() };
        Ok(Self { path: path.to_owned(), behind: Behind::Open(Arc::new(open)) })
    }

    /// Opens the namespace of the calling thread.
    ///
    /// # Errors
    ///
    /// `/proc` is not there.
    pub fn own() -> io::Result<Self> {
        if let Some(kernel) = World::current().kernel {
            return Ok(Self::made_up(OWN, kernel));
        }
        Self::open(OWN)
    }

    /// Makes up a namespace for a test, with a network of its own behind it. It has no descriptor, and is otherwise as
    /// good as a real one.
    pub fn made_up(path: impl Into<PathBuf>, kernel: Arc<dyn Kernel>) -> Self {
        Self { path: path.into(), behind: Behind::MadeUp(kernel) }
    }

    /// The path as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether both are the same namespace, whatever their paths.
    pub fn is_same(&self, other: &Self) -> bool {
        match (&self.behind, &other.behind) {
            (Behind::Open(a), Behind::Open(b)) => a.device == b.device && a.inode == b.inode,
            (Behind::MadeUp(a), Behind::MadeUp(b)) => a.netns_id() == b.netns_id(),
            _ => false,
        }
    }

    /// Whether it is the namespace of the calling thread.
    ///
    /// # Errors
    ///
    /// `/proc` is not there.
    pub fn is_own(&self) -> io::Result<bool> {
        let Behind::Open(open) = &self.behind else {
            return Ok(self.is_same(&Self::own()?));
        };
        if World::current().kernel.is_some() {
            return Ok(false);
        }
        let own = fs::metadata(OWN).map_err(|e| failed("stat", Path::new(OWN), e))?;
        Ok((own.dev(), own.ino()) == (open.device, open.inode))
    }

    /// The descriptor, for requests that name a namespace by one.
    ///
    /// # Errors
    ///
    /// The namespace is a fake (`Unsupported`).
    pub fn as_fd(&self) -> io::Result<BorrowedFd<'_>> {
        match &self.behind {
            Behind::Open(open) => Ok(open.file.as_fd()),
            Behind::MadeUp(_) => {
                let refusal = Refused { path: self.path.clone(), why: "is a fake namespace" };
                Err(io::Error::new(io::ErrorKind::Unsupported, refusal))
            }
        }
    }

    /// The number that names the namespace in a request.
    #[cfg(feature = "net")]
    pub(crate) fn request_id(&self) -> io::Result<u32> {
        match &self.behind {
            Behind::MadeUp(kernel) => Ok(kernel.netns_id()),
            _ => Ok(u32::try_from(self.as_fd()?.as_raw_fd()).unwrap_or(u32::MAX)),
        }
    }

    /// Runs a closure inside the namespace, on a thread of its own, and waits for it.
    ///
    /// This is for files and sysctls ([`Sysctl`](crate::Sysctl)); a handle of the namespace's
    /// network works from outside. The mount namespace stays the caller's. A panic in the closure goes on in
    /// the caller.
    ///
    /// # Errors
    ///
    /// The thread cannot be started or may not enter.
    pub fn run<T: Send>(&self, inside: impl FnOnce() -> T + Send) -> io::Result<T> {
        let mut world = World::current();
        let fd = match &self.behind {
            Behind::MadeUp(kernel) => {
                world.kernel = Some(Arc::clone(kernel));
                None
            }
            _ => {
                world.kernel = None;
                Some(self.as_fd()?)
            }
        };
        let enter = || fd.map_or(Ok(()), set_netns);
        let outcome = thread::scope(|scope| {
            let thread = thread::Builder::new().name("netns".to_owned()).spawn_scoped(scope, || {
                world.carry_out(&Operation::Enter(&self.path), enter)?;
                Ok::<T, io::Error>(world.clone().run(inside))
            })?;
            thread.join().unwrap_or_else(|panic| panic::resume_unwind(panic))
        });
        outcome.map_err(|e| failed("enter", &self.path, e))
    }
}

impl fmt::Debug for Netns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Netns");
        debug.field("path", &self.path);
        match &self.behind {
            Behind::Open(open) => debug.field("inode", &open.inode),
            Behind::MadeUp(kernel) => debug.field("made_up", &kernel.netns_id()),
        };
        debug.finish()
    }
}

/// The path as it was given, for `sandbox` in results. Bytes that are not UTF-8 are replaced.
impl From<&Netns> for String {
    fn from(netns: &Netns) -> Self {
        netns.path.to_string_lossy().into_owned()
    }
}

/// A file that is not what it should be.
#[derive(Debug, thiserror::Error)]
#[error("{} {why}", path.display())]
struct Refused {
    path: PathBuf,
    why: &'static str,
}

fn refused(path: &Path, why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, Refused { path: path.to_owned(), why })
}

/// Says why a file is not a network namespace, if it is not.
#[cfg(target_os = "linux")]
fn why_not_netns(file: &File) -> io::Result<Option<&'static str>> {
    use nix::sys::statfs::{NSFS_MAGIC, fstatfs};
    if fstatfs(file)?.filesystem_type() != NSFS_MAGIC {
        return Ok(Some("is not a network namespace"));
    }
    let is_netns = crate::sys::namespace_kind(file)? == libc::CLONE_NEWNET;
    Ok((!is_netns).then_some("is a namespace, but not a network namespace"))
}

/// Says that a file is not a network namespace.
#[cfg(not(target_os = "linux"))]
fn why_not_netns(_: &File) -> io::Result<Option<&'static str>> {
    Ok(Some("is not a network namespace: only Linux has them"))
}

/// Moves the calling thread into a network namespace.
#[cfg(target_os = "linux")]
fn set_netns(fd: BorrowedFd<'_>) -> io::Result<()> {
    Ok(nix::sched::setns(fd, nix::sched::CloneFlags::CLONE_NEWNET)?)
}

/// Fails: only Linux has network namespaces.
#[cfg(not(target_os = "linux"))]
fn set_netns(_: BorrowedFd<'_>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
