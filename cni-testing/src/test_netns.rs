//! Throw-away network namespaces.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;

use cni_skel::Netns;
use cni_skel::net::{Net, NetError};

use crate::isolation;

/// A new, empty network namespace that ends with this value, with all that is in it.
///
/// It has no name anywhere: [`path`](Self::path) goes through this process's open file, and is a valid `CNI_NETNS` for
/// this process and all that it starts, as long as the value lives.
///
/// It needs root, or a user namespace around the test: `unshare -Urn cargo test`, or a runner in `.cargo/config.toml`
/// that does the same. Where it cannot be made the test fails; it never passes without it.
#[derive(Debug)]
pub struct TestNetns {
    netns: Netns,
    /// Keeps the namespace, and its path, alive.
    _file: File,
}

impl TestNetns {
    /// Makes a namespace.
    ///
    /// # Panics
    /// When the kernel does not allow it.
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
    /// When the kernel does not allow it.
    pub fn try_new() -> io::Result<Self> {
        let file = isolation::new_netns()?;
        let path = PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd()));
        Ok(Self { netns: Netns::open(&path)?, _file: file })
    }

    /// A path that leads to it.
    pub fn path(&self) -> &Path {
        self.netns.path()
    }

    /// The namespace as plugins see it.
    pub fn netns(&self) -> &Netns {
        &self.netns
    }

    /// Its network.
    ///
    /// # Errors
    /// When no netlink socket can be opened in it.
    pub fn net(&self) -> Result<Net, NetError> {
        self.netns.net()
    }

    /// Calls `step` on a thread of its own inside the namespace. Processes that it starts are in there too.
    ///
    /// # Errors
    /// When the namespace cannot be entered.
    pub fn run<T: Send>(&self, step: impl FnOnce() -> T + Send) -> io::Result<T> {
        self.netns.run(step)
    }

    /// Runs a program in it, and gives what that prints on stdout.
    ///
    /// # Panics
    /// When it cannot be run, with the package to install; when it fails, with what it says on stderr; and when it prints
    /// something else than text.
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

    /// The packet filters in it as `nft list ruleset` prints them, without indentation and empty lines. A plugin that made
    /// them with [`cni_skel::nft`] is so looked at by somebody else.
    ///
    /// # Panics
    /// When nftables are not installed, and as [`output`](Self::output).
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
