//! What a test puts in the place of the kernel, or in its way.
//!
//! A plugin needs nothing of this. [`World::run`] is for tests, and `cni-testing` builds on it: a network in memory
//! ([`Kernel`]), and faults ([`Watch`]). Whatever in this crate goes to the kernel on the thread of a plugin passes here:
//! the requests of a `Net` (feature `net`), a [`Sysctl`](crate::Sysctl), entering a [`Netns`](crate::Netns), and the
//! [`files`](crate::files) of a plugin's state. Each thread has a world of its own, which is the machine's unless a test
//! says otherwise; [`Netns::run`](crate::Netns::run) takes it along to its thread.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::panic::RefUnwindSafe;
use std::path::Path;
use std::sync::Arc;

/// One network namespace of a kernel that a test makes up. Implement it only for tests: `cni-testing` does.
pub trait Kernel: fmt::Debug + Send + Sync + RefUnwindSafe {
    /// The number by which a request names this namespace, in the place of a descriptor. No two have the same.
    fn netns_id(&self) -> u32;

    /// Opens another namespace of the same kernel.
    ///
    /// # Errors
    /// There is none at this path (`NotFound`).
    fn open_netns(&self, path: &Path) -> io::Result<Arc<dyn Kernel>>;

    /// Answers a message of rtnetlink, which may be anything, with the messages that the kernel would send.
    fn answer(&self, request: &[u8]) -> Vec<u8>;

    /// Reads a sysctl by its path.
    ///
    /// # Errors
    /// As those of the file.
    fn read_sysctl(&self, path: &Path) -> io::Result<String>;

    /// Writes a sysctl by its path.
    ///
    /// # Errors
    /// As those of the file.
    fn write_sysctl(&self, path: &Path, value: &str) -> io::Result<()>;
}

/// Is told of every operation, and can make it fail. Implement it only for tests: `cni-testing` does.
pub trait Watch: fmt::Debug + Send + Sync + RefUnwindSafe {
    /// Comes before an operation.
    ///
    /// # Errors
    /// The operation is not carried out, and fails with this.
    fn before(&self, operation: &Operation<'_>) -> io::Result<()>;

    /// Comes after an operation that was carried out.
    ///
    /// # Errors
    /// The caller gets this in the place of the outcome.
    fn after(&self, operation: &Operation<'_>) -> io::Result<()>;
}

/// What is about to be done.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Operation<'a> {
    /// A thread enters a network namespace.
    Enter(&'a Path),
    /// A netlink socket is opened.
    Socket,
    /// A request of netlink, by its message type.
    Request(u16),
    /// Notifications of the kernel are asked for or waited for.
    Notifications,
    /// A sysctl is read.
    ReadSysctl(&'a Path),
    /// A sysctl is written.
    WriteSysctl(&'a Path),
    /// A file of a plugin's state is looked at: the verb, and the path.
    ReadFile(&'static str, &'a Path),
    /// A file of a plugin's state is changed: the verb, and the path.
    WriteFile(&'static str, &'a Path),
    /// Another plugin is called: its name, and the command.
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

/// What a thread's operations meet. The default is the machine itself.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct World {
    /// The namespace that the thread is in, of a kernel that is made up.
    pub kernel: Option<Arc<dyn Kernel>>,
    /// Who is told.
    pub watch: Option<Arc<dyn Watch>>,
}

thread_local! {
    static WORLD: RefCell<World> = const { RefCell::new(World { kernel: None, watch: None }) };
}

impl World {
    /// The machine itself.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a made-up namespace in the place of the thread's own.
    #[must_use]
    pub fn kernel(self, kernel: Arc<dyn Kernel>) -> Self {
        Self { kernel: Some(kernel), ..self }
    }

    /// Has everything told.
    #[must_use]
    pub fn watch(self, watch: Arc<dyn Watch>) -> Self {
        Self { watch: Some(watch), ..self }
    }

    /// The calling thread's.
    pub fn current() -> Self {
        WORLD.with_borrow(Self::clone)
    }

    /// Calls `step` in this world, on the same thread.
    pub fn run<T>(self, step: impl FnOnce() -> T) -> T {
        let _outer = Outer(WORLD.replace(self));
        step()
    }

    /// Does what the machine does, or what stands in for it.
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

/// The world around a step, which comes back when that ends, by a panic too.
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
    fn a_world_ends_with_its_step_by_a_panic_too() {
        let world = World::new().watch(Arc::new(Deny::default()));
        let panicked = std::panic::catch_unwind(|| world.run(|| panic!("on purpose")));
        assert!(panicked.is_err());
        assert!(World::current().watch.is_none());
    }

    #[test]
    fn what_is_denied_is_told_and_not_done() {
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
        let told = deny.0.lock().unwrap();
        assert_eq!(
            *told,
            [format!("create {}", path.display()), "write /proc/sys/net/ipv4/ip_forward".to_owned()]
        );
    }
}
