//! Each kind of rule comes back from the kernel as it was.

use cni_skel::iptables::{Family, Rule};
use cni_skel::types::ErrorCode;

use crate::support::iptables::rules::{self, add, all, ipv4, ipv6};
use crate::support::iptables::world::{Kind, World};

#[test]
fn a_rule_shows_as_iptables_save_prints_it() {
    for (_, rule, words) in ipv4().into_iter().chain(ipv6()) {
        assert_eq!(rule.to_string(), words);
    }
}

#[test]
fn what_is_no_condition_is_refused() {
    let refused: [&[&str]; 10] = [
        &["-j", "ACCEPT"],
        &["-jACCEPT"],
        &["--jump", "ACCEPT"],
        &["--tabl", "filter"],
        &["-t", "filter"],
        &["-A", "INPUT"],
        &["-s"],
        &["-s", "here"],
        &["-m", "comment", "--comment", "a\nCOMMIT"],
        &[""],
    ];
    for words in refused {
        let error = Rule::new().conditions(words).unwrap_err();
        assert_eq!(error.code(), ErrorCode::INVALID_NETWORK_CONFIG, "{words:?}");
    }
}

#[test]
fn our_rules_come_back_as_they_were() {
    for family in Family::ALL {
        let world = World::new(Kind::Unused);
        add(&world, family);
        for chain in ["OUT", "IN", "MARKS", "PREROUTING", "OUTPUT", "POSTROUTING"] {
            let of_chain = all(family).into_iter().filter(|(of, ..)| *of == chain);
            let wanted: Vec<_> = of_chain.map(|(_, rule, _)| rule).collect();
            assert_eq!(world.rules(family, chain), wanted, "{chain}");
        }
        world.assert_unused();
    }
}

#[test]
fn what_contradicts_itself_is_refused_and_nothing_is_done() {
    rules::what_contradicts_itself_is_refused_and_nothing_is_done(Kind::Unused);
}

#[test]
fn no_comment_breaks_out_of_its_quotes() {
    rules::no_comment_breaks_out_of_its_quotes(Kind::Unused);
}

#[test]
fn whether_a_rule_leads_to_a_chain_is_known_without_a_look_at_all_rules() {
    rules::whether_a_rule_leads_to_a_chain_is_known_without_a_look_at_all_rules(Kind::Unused);
}
