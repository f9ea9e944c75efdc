//! For tests: replaces the kernel, or makes its operations fail.
//!
//! A plugin does not need this module. `cni-testing` builds on [`World::run`]: a network in memory is a [`Kernel`], and faults
//! come from a [`Watch`]. These operations of this crate use the world of the calling thread: requests of a `Net` (feature
//! `net`), a [`Sysctl`](crate::Sysctl), entering a [`Netns`](crate::Netns), and [`files`](crate::files).
//!
//! # Threads
//!
//! Each thread has its own world, by default the machine. [`Netns::run`](crate::Netns::run) passes the caller's world on to the
//! thread that it starts. On a thread that a handler starts itself:
//!
//! - `req.net()`, `req.netns`, calls of delegates, and handles that were opened before use the network of the call.
//! - [`Sysctl`](crate::Sysctl), `Net::open`, [`Netns::open`](crate::Netns::open) and [`files`](crate::files) use the machine, in
//!   a test too.
//!
//! A handler whose threads need these passes the world on:
//!
//! ```
//! use std::thread;
//!
//! use cni_skel::seam::World;
//! use cni_skel::{Result, Sysctl};
//!
//! fn forwarding() -> Result<Option<String>> {
//!     let world = World::current();
//!     let read = || world.run(|| Sysctl::at(&["ipv4", "ip_forward"])?.read());
//!     let value = thread::scope(|scope| scope.spawn(read).join().expect("reading does not panic"))?;
//!     Ok(value)
//! }
//! # forwarding().unwrap();
//! ```

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::panic::RefUnwindSafe;
use std::path::Path;
use std::sync::Arc;

/// A network namespace of a fake kernel. Implement it only for tests, as `cni-testing` does.
pub trait Kernel: fmt::Debug + Send + Sync + RefUnwindSafe {
    /// Returns the number that stands for this namespace in a request, instead of a descriptor. It is unique in the kernel.
    fn netns_id(&self) -> u32;

    /// Opens another namespace of the same kernel.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if there is no namespace at the path.
    fn open_netns(&self, path: &Path) -> io::Result<Arc<dyn Kernel>>;

    /// Returns the messages that the kernel would send in reply to an rtnetlink message. The message can be malformed.
    fn answer(&self, request: &[u8]) -> Vec<u8>;

    /// Reads a sysctl by its path.
    ///
    /// # Errors
    /// Those of reading the file.
    fn read_sysctl(&self, path: &Path) -> io::Result<String>;

    /// Writes a sysctl by its path.
    ///
    /// # Errors
    /// Those of writing the file.
    fn write_sysctl(&self, path: &Path, value: &str) -> io::Result<()>;
}

/// Observes operations, and can make them fail. Implement it only for tests, as `cni-testing` does.
pub trait Watch: fmt::Debug + Send + Sync + RefUnwindSafe {
    /// Is called before an operation.
    ///
    /// # Errors
    /// The operation is not performed, and fails with the error.
    fn before(&self, operation: &Operation<'_>) -> io::Result<()>;

    /// Is called after an operation that succeeded.
    ///
    /// # Errors
    /// The operation fails with the error, although it was performed.
    fn after(&self, operation: &Operation<'_>) -> io::Result<()>;
}

/// An operation that a [`Watch`] observes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Operation<'a> {
    /// A thread enters a network namespace.
    Enter(&'a Path),
    /// A netlink socket is opened.
    Socket,
    /// A netlink request is sent: its message type.
    Request(u16),
    /// The thread subscribes to notifications of the kernel, or waits for one.
    Notifications,
    /// A sysctl is read.
    ReadSysctl(&'a Path),
    /// A sysctl is written.
    WriteSysctl(&'a Path),
    /// A file of a plugin's state is read: the verb and the path.
    ReadFile(&'static str, &'a Path),
    /// A file of a plugin's state is changed: the verb and the path.
    WriteFile(&'static str, &'a Path),
    /// A delegate is called: its name and the command.
    Delegate(&'a str, &'a str),
    /// Another program is run: its name.
    Program(&'a str),
}

impl fmt::Display for Operation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Enter(path) => write!(f, "enter {}", path.display()),
            Self::Socket => write!(f, "open a netlink socket"),
            Self::Request(kind) => write!(f, "netlink request {}", request_name(*kind)),
            Self::Notifications => write!(f, "wait for notifications"),
            Self::ReadSysctl(path) => write!(f, "read {}", path.display()),
            Self::WriteSysctl(path) => write!(f, "write {}", path.display()),
            Self::ReadFile(verb, path) | Self::WriteFile(verb, path) => {
                write!(f, "{verb} {}", path.display())
            }
            Self::Delegate(plugin, command) => write!(f, "{command} of plugin {plugin}"),
            Self::Program(name) => write!(f, "run {name}"),
        }
    }
}

fn request_name(kind: u16) -> String {
    let object = match kind / 4 {
        4 => "LINK",
        5 => "ADDR",
        6 => "ROUTE",
        7 => "NEIGH",
        8 => "RULE",
        _ => return kind.to_string(),
    };
    let verb = ["NEW", "DEL", "GET", "SET"][usize::from(kind % 4)];
    format!("RTM_{verb}{object}")
}

/// What the operations of a thread act on. The default is the machine.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct World {
    /// The namespace of a fake kernel that the thread is in. `None` for the machine's kernel.
    pub kernel: Option<Arc<dyn Kernel>>,
    /// The observer of operations.
    pub watch: Option<Arc<dyn Watch>>,
}

thread_local! {
    static WORLD: RefCell<World> = const { RefCell::new(World { kernel: None, watch: None }) };
    /// Whether this thread, or the one that waits for it in [`Netns::run`](crate::Netns::run), holds the lock of rulesets.
    pub(crate) static HOLDS_RULESET_LOCK: Cell<bool> = const { Cell::new(false) };
}

impl World {
    /// Returns the machine, without an observer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the namespace of a fake kernel that the thread is in.
    #[must_use]
    pub fn kernel(self, kernel: Arc<dyn Kernel>) -> Self {
        Self { kernel: Some(kernel), ..self }
    }

    /// Sets the observer of operations.
    #[must_use]
    pub fn watch(self, watch: Arc<dyn Watch>) -> Self {
        Self { watch: Some(watch), ..self }
    }

    /// Returns the world of the calling thread.
    pub fn current() -> Self {
        WORLD.with_borrow(Self::clone)
    }

    /// Calls `step` on the calling thread, in this world.
    pub fn run<T>(self, step: impl FnOnce() -> T) -> T {
        let _outer = Outer(WORLD.replace(self));
        step()
    }

    /// Performs an operation, and calls the observer before and after it.
    pub(crate) fn carry_out<T>(
        &self,
        operation: &Operation<'_>,
        step: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        let Some(watch) = &self.watch else { return step() };
        watch.before(operation)?;
        let done = step()?;
        watch.after(operation)?;
        Ok(done)
    }
}

/// The world that a thread had before a step. Dropping it restores that world, after a panic too.
struct Outer(World);

impl Drop for Outer {
    fn drop(&mut self) {
        WORLD.set(std::mem::take(&mut self.0));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::{Sysctl, files};

    #[derive(Debug, Default)]
    struct Deny(Mutex<Vec<String>>);

    impl Watch for Deny {
        fn before(&self, operation: &Operation<'_>) -> io::Result<()> {
            self.0.lock().unwrap().push(operation.to_string());
            Err(io::Error::from_raw_os_error(28))
        }

        fn after(&self, _: &Operation<'_>) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_world_ends_with_its_step_even_if_that_panics() {
        let world = World::new().watch(Arc::new(Deny::default()));
        let panicked = std::panic::catch_unwind(|| world.run(|| panic!("on purpose")));
        assert!(panicked.is_err());
        assert!(World::current().watch.is_none());
    }

    #[test]
    fn an_operation_that_the_observer_denies_is_not_performed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let deny = Arc::new(Deny::default());
        World::new().watch(deny.clone()).run(|| {
            let denied = files::create_dir_all(&path, 0o755).unwrap_err();
            assert_eq!(denied.to_string(), format!("cannot create {}", path.display()));
            assert_eq!(denied.kind(), io::ErrorKind::StorageFull);
            let failed = Sysctl::at(&["ipv4", "ip_forward"]).unwrap().write("0").unwrap_err();
            assert_eq!(failed.to_string(), "cannot write /proc/sys/net/ipv4/ip_forward");
        });
        assert!(!path.exists());
        let observed = deny.0.lock().unwrap();
        assert_eq!(
            *observed,
            [format!("create {}", path.display()), "write /proc/sys/net/ipv4/ip_forward".to_owned()]
        );
    }
}
