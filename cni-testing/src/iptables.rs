//! iptables of either kind, for a plugin and its tests to find.

use std::fmt;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::TestNetns;

/// Where distributions have the programs behind the names.
const FOLDER: &str = "/usr/sbin";

/// What is behind the name `iptables`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "there are two, and there will be no third")]
pub enum IptablesKind {
    /// The program that makes rules of nftables.
    Nft,
    /// The older one, with tables of its own in the kernel.
    Legacy,
}

impl IptablesKind {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Nft, Self::Legacy];

    /// The file behind the names of its programs.
    fn file(self) -> PathBuf {
        Path::new(FOLDER).join(match self {
            Self::Nft => "xtables-nft-multi",
            Self::Legacy => "xtables-legacy-multi",
        })
    }
}

impl fmt::Display for IptablesKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nft => "iptables-nft",
            Self::Legacy => "iptables-legacy",
        })
    }
}

/// One kind of iptables, whichever the machine uses: a folder with links `iptables`, `iptables-save`, `iptables-restore` and
/// those of `ip6tables`, for a plugin's `PATH`. [`Call::iptables`](crate::Call::iptables) gives it to a plugin,
/// [`run`](Self::run) looks at what that has made.
///
/// The lock that the older one takes is in the folder, too: no test waits for another, and an ordinary user may not take the
/// machine's.
#[derive(Debug)]
pub struct Iptables {
    folder: TempDir,
}

impl Iptables {
    /// Makes the folder.
    ///
    /// # Panics
    /// When iptables are not installed, or no folder can be made.
    #[track_caller]
    pub fn new(kind: IptablesKind) -> Self {
        let file = kind.file();
        assert!(file.is_file(), "{} is missing; install Debian's package iptables", file.display());
        let folder = tempfile::tempdir().unwrap_or_else(|cause| panic!("cannot make a folder: {cause}"));
        let iptables = Self { folder };
        iptables.link_all(&file);
        iptables
    }

    /// The names of the kind that makes rules of nftables, on a machine that need not have it: a plugin that uses
    /// [`cni_skel::iptables`](cni_skel) finds that kind and runs no program. The programs fail.
    ///
    /// # Panics
    /// When no folder can be made.
    #[track_caller]
    pub fn without_programs() -> Self {
        let folder = tempfile::tempdir().unwrap_or_else(|cause| panic!("cannot make a folder: {cause}"));
        let iptables = Self { folder };
        // What the links lead to tells the kinds apart.
        let file = iptables.folder().join("xtables-nft-multi");
        let made = fs::write(&file, "#!/bin/sh\necho \"$0 is not to be run\" >&2\nexit 1\n")
            .and_then(|()| fs::set_permissions(&file, Permissions::from_mode(0o755)));
        made.unwrap_or_else(|cause| panic!("cannot make {}: {cause}", file.display()));
        iptables.link_all(&file);
        iptables
    }

    /// Adds the other kind under its own names, `iptables-legacy-save` and so on, as distributions do that have both.
    ///
    /// # Panics
    /// When there is something of that name.
    #[must_use]
    #[track_caller]
    pub fn beside_legacy(self) -> Self {
        for part in ["", "-save", "-restore"] {
            self.link(&IptablesKind::Legacy.file(), &format!("iptables-legacy{part}"));
            self.link(&IptablesKind::Legacy.file(), &format!("ip6tables-legacy{part}"));
        }
        self
    }

    #[track_caller]
    fn link_all(&self, file: &Path) {
        for part in ["", "-save", "-restore"] {
            self.link(file, &format!("iptables{part}"));
            self.link(file, &format!("ip6tables{part}"));
        }
    }

    #[track_caller]
    fn link(&self, file: &Path, name: &str) {
        let link = self.folder().join(name);
        symlink(file, &link).unwrap_or_else(|cause| panic!("cannot make {}: {cause}", link.display()));
    }

    /// Where its programs are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The variables by which a program finds them and their lock.
    pub fn env(&self) -> [(&'static str, PathBuf); 2] {
        [("PATH", self.folder().to_owned()), ("XTABLES_LOCKFILE", self.folder().join("lock"))]
    }

    /// Runs one of its programs in a namespace, and gives what it prints.
    ///
    /// # Panics
    /// When it fails, and when it says that there are rules which it does not understand: it would not print them.
    #[track_caller]
    pub fn run(&self, netns: &TestNetns, program: &str, args: &[&str]) -> String {
        let mut command = Command::new(self.folder().join(program));
        command.args(args).envs(self.env());
        let output = netns.run(|| command.output()).flatten();
        let output = output.unwrap_or_else(|cause| panic!("cannot run {program}: {cause}"));
        let said = String::from_utf8_lossy(&output.stderr);
        let is_fine = output.status.success() && !said.contains("incompatible");
        assert!(is_fine, "{program} {args:?} ended with {}: {said}", output.status);
        String::from_utf8(output.stdout).unwrap_or_else(|cause| panic!("{program}: {cause}"))
    }
}
