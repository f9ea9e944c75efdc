//! A namespace, and the programs that iptables is in it.

use std::ffi::OsString;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::thread;

use cni_skel::iptables::{Family, Iptables, Listing, Nat, Rule};
use cni_skel::types::AddResult;
use cni_skel::{
    AddRequest, CheckRequest, DelRequest, Env, Invocation, Netns, NoConfig, Plugin, Result, StatusRequest,
    System, dispatch,
};
use nix::sched::{CloneFlags, unshare};
use tempfile::TempDir;

/// Which iptables a machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The one that is nftables underneath.
    Nft,
    /// The older one.
    Legacy,
}

impl Kind {
    pub(crate) const BOTH: [Self; 2] = [Self::Nft, Self::Legacy];

    fn program(self) -> &'static str {
        match self {
            Self::Nft => "xtables-nft-multi",
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
        let thread = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("make a network namespace");
            Netns::own().expect("open the new network namespace")
        });
        let netns = thread.join().unwrap();
        let world = Self { netns, folder: tempfile::tempdir().unwrap(), kind };
        for name in ["iptables", "ip6tables"] {
            for part in ["", "-save", "-restore"] {
                world.install(&format!("{name}{part}"), &the(kind.program()));
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

    /// What `nft list ruleset` prints, without counts.
    #[track_caller]
    pub(crate) fn ruleset(&self) -> String {
        let list = || Command::new("nft").args(["--stateless", "list", "ruleset"]).output();
        let output = self.in_netns(|| list().unwrap());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }
}

/// A program of this machine.
#[track_caller]
pub(crate) fn the(name: &str) -> PathBuf {
    let program = Path::new("/usr/sbin").join(name);
    assert!(program.is_file(), "{} is not there: install iptables", program.display());
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
