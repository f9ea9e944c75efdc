//! Either kind of iptables, for a plugin to find.

use cni_skel::types::AddResult;
use cni_skel::{AddRequest, CheckRequest, DelRequest, NoConfig, Plugin, Result};
use cni_testing::{Call, Iptables, IptablesKind, TestNetns};

const SAVE: [&str; 2] = ["-t", "nat"];

#[test]
fn each_kind_makes_and_sees_its_own_rules() {
    for (kind, other) in
        [(IptablesKind::Nft, IptablesKind::Legacy), (IptablesKind::Legacy, IptablesKind::Nft)]
    {
        let (netns, iptables, other) = (TestNetns::new(), Iptables::new(kind), Iptables::new(other));
        for family in ["iptables", "ip6tables"] {
            iptables.run(&netns, family, &["-w", "-t", "nat", "-N", "OWN"]);
            let save = format!("{family}-save");
            assert!(iptables.run(&netns, &save, &SAVE).contains(":OWN "), "{kind}");
            assert!(!other.run(&netns, &save, &SAVE).contains(":OWN "), "{kind}");
        }
        let ruleset = netns.ruleset();
        assert_eq!(ruleset.contains(&"chain OWN {".to_owned()), kind == IptablesKind::Nft, "{ruleset:?}");
    }
}

#[test]
fn the_older_kind_can_stand_beside_the_other_under_its_own_name() {
    let (netns, both) = (TestNetns::new(), Iptables::new(IptablesKind::Nft).beside_legacy());
    both.run(&netns, "iptables-legacy", &["-w", "-t", "nat", "-N", "OLD"]);
    assert!(both.run(&netns, "iptables-legacy-save", &SAVE).contains(":OLD "));
    assert!(!netns.ruleset().iter().any(|line| line.contains("OLD")));
}

/// Does nothing with them.
struct Idle;

impl Plugin for Idle {
    type Config = NoConfig;

    fn add(&self, _: &AddRequest) -> Result<AddResult> {
        Ok(AddResult::default())
    }

    fn del(&self, _: &DelRequest) -> Result<()> {
        Ok(())
    }

    fn check(&self, _: &CheckRequest) -> Result<()> {
        Ok(())
    }
}

#[test]
fn a_call_is_given_the_programs_and_their_lock() {
    let iptables = Iptables::new(IptablesKind::Legacy);
    let outcome = Call::add(&Idle).iptables(&iptables).run();
    let input = outcome.to_string();
    for (name, path) in iptables.env() {
        assert!(input.contains(&format!("{name}={}\n", path.display())), "{input}");
        assert!(path.starts_with(iptables.folder()), "{}", path.display());
    }
}
