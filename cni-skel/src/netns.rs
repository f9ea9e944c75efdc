//! A network namespace: opening, comparing and entering it.

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
use crate::seam::{HOLDS_RULESET_LOCK, Kernel, Operation, World};

/// The namespace of the calling thread. `/proc/self` would be that of the main thread.
const OWN: &str = "/proc/thread-self/ns/net";

/// An open network namespace, for example the one of variable
/// [`CNI_NETNS`](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#parameters).
///
/// The namespace exists at least as long as this value, even if its path is removed. Clones share one descriptor. No method
/// changes the namespace of the calling thread: [`run`](Self::run) starts a thread that enters the namespace.
#[derive(Clone)]
pub struct Netns {
    path: PathBuf,
    behind: Behind,
}

/// The namespace behind a path.
#[derive(Clone)]
enum Behind {
    /// A real namespace.
    Open(Arc<OpenNetns>),
    /// A namespace of a fake kernel.
    Fake(Arc<dyn Kernel>),
}

/// The descriptor of a namespace, which keeps it alive, and its identity.
struct OpenNetns {
    file: File,
    device: u64,
    inode: u64,
}

impl Netns {
    /// Opens the namespace at a path.
    ///
    /// # Errors
    /// The path cannot be opened; the kind of error is kept, for example [`io::ErrorKind::NotFound`].
    /// [`io::ErrorKind::InvalidInput`] if the path leads to something other than a network namespace.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        if let Some(kernel) = World::current().kernel {
            return Ok(Self::made_up(path, kernel.open_netns(path)?));
        }
        // Opening a FIFO must not wait for its writer, and a terminal must not become the controlling one.
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
            .open(path)
            .map_err(|e| failed("open", path, e))?;
        if let Some(reason) = why_not_netns(&file).map_err(|e| failed("find the kind of", path, e))? {
            return Err(unusable(path, reason));
        }
        let metadata = file.metadata().map_err(|e| failed("stat", path, e))?;
        let open = OpenNetns { file, device: metadata.dev(), inode: metadata.ino() };
        Ok(Self { path: path.to_owned(), behind: Behind::Open(Arc::new(open)) })
    }

    /// Opens the namespace of the calling thread.
    ///
    /// # Errors
    /// `/proc` is not mounted.
    pub fn own() -> io::Result<Self> {
        if let Some(kernel) = World::current().kernel {
            return Ok(Self::made_up(OWN, kernel));
        }
        Self::open(OWN)
    }

    /// Creates a namespace of a fake kernel, for tests. It works like a real one, but has no descriptor.
    pub fn made_up(path: impl Into<PathBuf>, kernel: Arc<dyn Kernel>) -> Self {
        Self { path: path.into(), behind: Behind::Fake(kernel) }
    }

    /// Returns the path that the namespace was opened with, unchanged.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns whether both are the same namespace. Their paths may differ.
    pub fn is_same(&self, other: &Self) -> bool {
        match (&self.behind, &other.behind) {
            (Behind::Open(a), Behind::Open(b)) => a.device == b.device && a.inode == b.inode,
            (Behind::Fake(a), Behind::Fake(b)) => a.netns_id() == b.netns_id(),
            _ => false,
        }
    }

    /// Returns whether this is the namespace of the calling thread.
    ///
    /// # Errors
    /// `/proc` is not mounted.
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

    /// Returns the descriptor, for requests to the kernel that need one.
    ///
    /// # Errors
    /// [`io::ErrorKind::Unsupported`] if this is a namespace of a fake kernel.
    pub fn as_fd(&self) -> io::Result<BorrowedFd<'_>> {
        match &self.behind {
            Behind::Open(open) => Ok(open.file.as_fd()),
            Behind::Fake(_) => {
                let unusable = Unusable { path: self.path.clone(), reason: "is a fake namespace" };
                Err(io::Error::new(io::ErrorKind::Unsupported, unusable))
            }
        }
    }

    /// Returns the number of the namespace in a netlink request.
    #[cfg(feature = "net")]
    pub(crate) fn request_id(&self) -> io::Result<u32> {
        match &self.behind {
            Behind::Fake(kernel) => Ok(kernel.netns_id()),
            _ => Ok(u32::try_from(self.as_fd()?.as_raw_fd()).unwrap_or(u32::MAX)),
        }
    }

    /// Runs a closure on a new thread inside the namespace, and waits for it.
    ///
    /// Use it for sysctls ([`Sysctl`](crate::Sysctl)) and other files below `/proc`. Links, addresses and routes do not need it,
    /// because a handle of the namespace's network works on any thread. The thread stays in the caller's mount namespace. A
    /// panic in the closure continues in the caller.
    ///
    /// # Errors
    /// The thread cannot be started, or cannot enter the namespace.
    pub fn run<T: Send>(&self, inside: impl FnOnce() -> T + Send) -> io::Result<T> {
        let mut world = World::current();
        let holds_ruleset_lock = HOLDS_RULESET_LOCK.get();
        let fd = match &self.behind {
            Behind::Fake(kernel) => {
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
                HOLDS_RULESET_LOCK.set(holds_ruleset_lock);
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
            Behind::Fake(kernel) => debug.field("fake", &kernel.netns_id()),
        };
        debug.finish()
    }
}

/// Returns the path for key `sandbox` of a result. Bytes that are not UTF-8 are replaced.
impl From<&Netns> for String {
    fn from(netns: &Netns) -> Self {
        netns.path.to_string_lossy().into_owned()
    }
}

/// The error for a file that cannot be used as a network namespace.
#[derive(Debug, thiserror::Error)]
#[error("{} {reason}", path.display())]
struct Unusable {
    path: PathBuf,
    reason: &'static str,
}

fn unusable(path: &Path, reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, Unusable { path: path.to_owned(), reason })
}

/// Returns why a file is not a network namespace, or `None` if it is one.
#[cfg(target_os = "linux")]
fn why_not_netns(file: &File) -> io::Result<Option<&'static str>> {
    use nix::sys::statfs::{NSFS_MAGIC, fstatfs};
    if fstatfs(file)?.filesystem_type() != NSFS_MAGIC {
        return Ok(Some("is not a network namespace"));
    }
    let is_netns = crate::sys::namespace_kind(file)? == libc::CLONE_NEWNET;
    Ok((!is_netns).then_some("is a namespace, but not a network namespace"))
}

/// Returns why a file is not a network namespace.
#[cfg(not(target_os = "linux"))]
fn why_not_netns(_: &File) -> io::Result<Option<&'static str>> {
    Ok(Some("is not a network namespace, which only Linux has"))
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
