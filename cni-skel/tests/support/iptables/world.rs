//! A namespace, and the programs that iptables is in it.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use cni_skel::iptables::{Family, Iptables, Listing, Nat, Rule};
use cni_skel::types::AddResult;
use cni_skel::{
    AddRequest, CheckRequest, DelRequest, Env, Invocation, Netns, NoConfig, Plugin, Result, StatusRequest,
    System, dispatch,
};
use tempfile::TempDir;

use crate::support::namespace;

/// Which iptables a machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The one that is nftables underneath, with programs that fail and leave a note.
    Unused,
    /// The one that is nftables underneath.
    Nft,
    /// The older one.
    Legacy,
}

impl Kind {
    /// Those with real programs.
    pub(crate) const BOTH: [Self; 2] = [Self::Nft, Self::Legacy];

    fn program(self) -> &'static str {
        match self {
            Self::Nft | Self::Unused => "xtables-nft-multi",
            Self::Legacy => "xtables-legacy-multi",
        }
    }
}

/// A namespace with one kind of iptables in its `PATH`.
pub(crate) struct World {
    pub(crate) netns: Netns,
    pub(crate) folder: TempDir,
    kind: Kind,
}

impl World {
    pub(crate) fn new(kind: Kind) -> Self {
        let world = Self { netns: namespace(), folder: tempfile::tempdir().unwrap(), kind };
        let file = match kind {
            Kind::Unused => {
                // What a link leads to tells the kinds apart.
                let file = world.folder.path().join(kind.program());
                fs::write(&file, "#!/bin/sh\necho \"$0 $*\" >>\"${0%/*}/was-run\"\nexit 1\n").unwrap();
                fs::set_permissions(&file, Permissions::from_mode(0o755)).unwrap();
                file
            }
            _ => the(kind.program()),
        };
        for name in ["iptables", "ip6tables"] {
            for part in ["", "-save", "-restore"] {
                world.install(&format!("{name}{part}"), &file);
            }
        }
        world
    }

    /// Puts a program into the `PATH`.
    pub(crate) fn install(&self, name: &str, program: &Path) {
        symlink(program, self.folder.path().join(name)).unwrap();
    }

    /// The environment of a call: the program's own lock of the older iptables, which an ordinary user can take.
    pub(crate) fn env(&self) -> Env {
        let lock = self.folder.path().join("lock");
        Env::new().with("PATH", self.folder.path()).with("XTABLES_LOCKFILE", lock)
    }

    pub(crate) fn iptables(&self) -> Iptables {
        iptables_of(self.env())
    }

    #[track_caller]
    pub(crate) fn nat(&self, family: Family) -> Nat {
        let iptables = self.iptables();
        self.netns.run(|| iptables.nat(family)).unwrap().unwrap()
    }

    /// What is in a chain, as we see it.
    #[track_caller]
    pub(crate) fn rules(&self, family: Family, chain: &str) -> Vec<Rule> {
        let mut rules = Vec::new();
        self.look(family, |listing| rules = listing.rules(chain).unwrap());
        rules
    }

    #[track_caller]
    pub(crate) fn look(&self, family: Family, mut look: impl FnMut(&Listing<'_>) + Send) {
        let nat = self.nat(family);
        let looked = || {
            nat.transaction(|listing, batch| {
                look(listing);
                Ok(batch)
            })
        };
        self.netns.run(looked).unwrap().unwrap();
    }

    /// Carries out changes in the namespace.
    #[track_caller]
    pub(crate) fn in_netns<T: Send>(&self, step: impl FnOnce() -> T + Send) -> T {
        self.netns.run(step).unwrap()
    }

    /// Runs `iptables` or `ip6tables` in table nat.
    #[track_caller]
    pub(crate) fn run(&self, family: Family, words: &str) -> Output {
        let program = if family == Family::Ipv4 { "iptables" } else { "ip6tables" };
        // A shell, because the words are quoted as a person writes them; as iptables-save prints them it is nearly so.
        let words = words.replace(r"\'", "'");
        let line = format!("exec {}/{program} -w -t nat {words}", self.folder.path().display());
        let env: Vec<(OsString, OsString)> =
            self.env().iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        self.in_netns(|| Command::new("/bin/sh").args(["-c", &line]).envs(env).output().unwrap())
    }

    #[track_caller]
    pub(crate) fn does(&self, family: Family, words: &str) {
        let output = self.run(family, words);
        assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// What `iptables-save` prints of table nat: chains and rules.
    #[track_caller]
    pub(crate) fn saved(&self, family: Family) -> Vec<String> {
        let program = if family == Family::Ipv4 { "iptables-save" } else { "ip6tables-save" };
        let program = self.folder.path().join(program);
        let output = self.in_netns(|| Command::new(program).args(["-t", "nat"]).output().unwrap());
        let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && !complaints.contains("incompatible"), "{complaints}");
        let text = String::from_utf8(output.stdout).unwrap();
        let is_told = |line: &&str| line.starts_with("-A") || line.starts_with(':') && line.contains(" - ");
        let without_counts = |line: &str| line.trim_end_matches(" [0:0]").to_owned();
        text.lines().filter(is_told).map(without_counts).collect()
    }

    /// Asserts that none of the programs was run that are not to be used.
    #[track_caller]
    pub(crate) fn assert_unused(&self) {
        let note = fs::read_to_string(self.folder.path().join("was-run"));
        assert!(note.is_err(), "a program was run: {note:?}");
    }

    /// How many chains of somebody's own there are, and rules in them.
    #[track_caller]
    pub(crate) fn count(&self, family: Family) -> (usize, usize) {
        let mut count = (0, 0);
        self.look(family, |listing| {
            let mut own = listing.chains().unwrap();
            own.retain(|chain| !["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"].contains(&chain.as_str()));
            let rules = own.iter().map(|chain| listing.rules(chain).unwrap().len()).sum();
            count = (own.len(), rules);
        });
        count
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }
}

/// A program of this machine.
#[track_caller]
pub(crate) fn the(name: &str) -> PathBuf {
    let program = Path::new("/usr/sbin").join(name);
    assert!(program.is_file(), "{} is missing; install Debian's package iptables", program.display());
    program
}

/// The iptables of a call with this environment.
pub(crate) fn iptables_of(env: Env) -> Iptables {
    struct Give(Mutex<Option<Iptables>>);

    impl Plugin for Give {
        type Config = NoConfig;

        fn add(&self, _: &AddRequest) -> Result<AddResult> {
            unreachable!("it is not called")
        }

        fn del(&self, _: &DelRequest) -> Result<()> {
            unreachable!("it is not called")
        }

        fn check(&self, _: &CheckRequest) -> Result<()> {
            unreachable!("it is not called")
        }

        fn status(&self, req: &StatusRequest) -> Result<()> {
            *self.0.lock().unwrap() = Some(Iptables::of(req));
            Ok(())
        }
    }

    let env = env.with("CNI_COMMAND", "STATUS").with("CNI_PATH", "/opt/cni/bin");
    let config = br#"{"cniVersion": "1.1.0", "name": "n", "type": "t"}"#;
    let plugin = Give(Mutex::new(None));
    let reply = dispatch(&plugin, Invocation::new(env, *config), Arc::new(System::new()));
    drop(reply);
    plugin.0.into_inner().unwrap().expect("the plugin was called")
}
