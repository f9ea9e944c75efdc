//! Network namespaces that end with the test.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;

use cni_skel::Netns;
use cni_skel::net::{Net, NetError};

use crate::isolation;

/// A new, empty network namespace. It ends with this value, along with everything in it.
///
/// The namespace has no name. Its [`path`](Self::path) goes through an open file of this process. It is a valid
/// `CNI_NETNS` for this process and its children while the value lives.
///
/// Making it needs root, or a user namespace around the tests: `unshare -Urn cargo test`, or a runner in
/// `.cargo/config.toml` that does the same. Without either the test fails.
#[derive(Debug)]
pub struct TestNetns {
    netns: Netns,
    /// Keeps the namespace and its path alive.
    _file: File,
}

impl TestNetns {
    /// Makes a namespace.
    ///
    /// # Panics
    /// If the kernel refuses it.
    #[track_caller]
    #[expect(clippy::new_without_default, reason = "making a namespace is no default of anything")]
    pub fn new() -> Self {
        Self::try_new().unwrap_or_else(|cause| {
            panic!(
                "cannot make a network namespace: {cause}; run the tests as root, \
                 or in a user namespace: unshare -Urn cargo test"
            )
        })
    }

    /// Makes a namespace.
    ///
    /// # Errors
    /// The kernel refuses it.
    pub fn try_new() -> io::Result<Self> {
        let file = isolation::new_netns()?;
        let path = PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd()));
        Ok(Self { netns: Netns::open(&path)?, _file: file })
    }

    /// Returns a path to the namespace.
    pub fn path(&self) -> &Path {
        self.netns.path()
    }

    /// Returns the namespace as plugins see it.
    pub fn netns(&self) -> &Netns {
        &self.netns
    }

    /// Opens a handle of the namespace's network.
    ///
    /// # Errors
    /// No netlink socket can be opened in it.
    pub fn net(&self) -> Result<Net, NetError> {
        self.netns.net()
    }

    /// Calls `step` on a new thread inside the namespace. Processes that it starts are inside too.
    ///
    /// # Errors
    /// The namespace cannot be entered.
    pub fn run<T: Send>(&self, step: impl FnOnce() -> T + Send) -> io::Result<T> {
        self.netns.run(step)
    }

    /// Runs a program inside the namespace and returns what it prints on stdout.
    ///
    /// # Panics
    /// If the program cannot be run (naming the package to install), fails (with its stderr), or prints something that is
    /// not UTF-8.
    #[track_caller]
    pub fn output(&self, program: impl AsRef<OsStr>, args: &[&str]) -> String {
        let program = program.as_ref();
        let output = self.run(|| Command::new(program).args(args).output());
        let output = output.flatten().unwrap_or_else(|cause| {
            let hint = package(program).map(|name| format!("; install Debian's package {name}"));
            panic!("cannot run {}: {cause}{}", program.display(), hint.unwrap_or_default())
        });
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{} {args:?} ended with {}: {said}",
            program.display(),
            output.status
        );
        String::from_utf8(output.stdout).unwrap_or_else(|cause| panic!("{}: {cause}", program.display()))
    }

    /// Returns the packet filters in the namespace as `nft list ruleset` prints them, without indentation and empty
    /// lines. This compares rules that a plugin made through [`cni_skel::nft`] with what another program reads.
    ///
    /// # Panics
    /// If nftables is not installed. See also [`output`](Self::output).
    #[track_caller]
    pub fn ruleset(&self) -> Vec<String> {
        let text = self.output("nft", &["list", "ruleset"]);
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }
}

/// The package of Debian with a program.
fn package(program: &OsStr) -> Option<&'static str> {
    Some(match program.to_str()? {
        "bridge" | "ip" | "tc" => "iproute2",
        "conntrack" => "conntrack",
        "ip6tables" | "ip6tables-save" | "iptables" | "iptables-save" => "iptables",
        "nft" => "nftables",
        _ => return None,
    })
}
