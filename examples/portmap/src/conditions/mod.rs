//! What packets have to be like for their ports to be mapped: keys `conditionsV4` and `conditionsV6`.
//!
//! The words of `nft` are read into what a rule compares, and never given to a program. Those of iptables are kept as
//! they are.

use cni_skel::nft::{CtState, Field, Rule, Value};
use cni_skel::types::Protocol;
use cni_skel::{Error, Result};
use ipnet::IpNet;

use crate::config::Config;
use parser::Parser;

mod parser;

/// How many rules a condition with sets in braces may come to.
const MAX_ALTERNATIVES: usize = 256;

/// The conditions of both families.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conditions {
    v4: Option<Words>,
    v6: Option<Words>,
}

/// In whose words conditions are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Syntax {
    Nftables,
    Iptables,
}

#[derive(Clone, Debug)]
enum Words {
    /// Any of these will do; in each, all has to be so.
    Nftables(Vec<Vec<Condition>>),
    Iptables(Vec<String>),
}

/// One comparison.
#[derive(Clone, Debug, PartialEq)]
enum Condition {
    /// That a source or destination address is in a network, or is not.
    Address {
        of_source: bool,
        net: IpNet,
        differs: bool,
    },
    /// That a field has a value, or has not.
    Is {
        field: Field,
        value: Value,
        differs: bool,
    },
    /// That the packet is of a protocol with ports, which its ports need.
    OfProtocol(Protocol),
    State(Vec<CtState>),
    MaskedMark {
        mark: u32,
        mask: u32,
    },
}

impl Conditions {
    pub(crate) fn parse(v4: Option<&[String]>, v6: Option<&[String]>) -> Result<Self> {
        let of = |key, words: Option<&[String]>, is_ipv4| match words {
            None | Some([]) => Ok(None),
            Some(words) => Words::parse(words, is_ipv4)
                .map(Some)
                .map_err(|why| Error::invalid_config(format!("{key}: {why}"))),
        };
        Ok(Self { v4: of("conditionsV4", v4, true)?, v6: of("conditionsV6", v6, false)? })
    }

    /// In whose words they are; `None` where there are none.
    pub(crate) fn syntax(&self) -> Option<Syntax> {
        self.syntaxes().next()
    }

    /// Whether any of them are in these words.
    pub(crate) fn has(&self, syntax: Syntax) -> bool {
        self.syntaxes().any(|other| other == syntax)
    }

    fn syntaxes(&self) -> impl Iterator<Item = Syntax> {
        [&self.v4, &self.v6].into_iter().flatten().map(Words::syntax)
    }

    /// The conditions of a family in the words of iptables; none where they are in others.
    pub(crate) fn words(&self, is_ipv4: bool) -> &[String] {
        match if is_ipv4 { &self.v4 } else { &self.v6 } {
            Some(Words::Iptables(words)) => words,
            _ => &[],
        }
    }

    /// A rule for each of the ways to fulfil the conditions of a family.
    pub(crate) fn begin(&self, rule: &Rule, is_ipv4: bool) -> Vec<Rule> {
        match if is_ipv4 { &self.v4 } else { &self.v6 } {
            Some(Words::Nftables(alternatives)) => {
                let rule_for = |all: &Vec<Condition>| {
                    all.iter().fold(rule.clone(), |rule, condition| condition.append(rule))
                };
                alternatives.iter().map(rule_for).collect()
            }
            _ => vec![rule.clone()],
        }
    }
}

/// Returns the error for conditions in the syntax of the other backend.
pub(crate) fn of_another_backend(config: &Config) -> Error {
    let words = [("conditionsV4", &config.conditions_v4), ("conditionsV6", &config.conditions_v6)];
    let shown: Vec<_> = words
        .iter()
        .filter_map(|(key, words)| Some(format!("{key}: {:?}", words.as_ref()?.join(" "))))
        .collect();
    Error::invalid_config(format!(
        "{} is not in the syntax of backend {:?}",
        shown.join(" and "),
        config.backend.as_deref().unwrap_or_default()
    ))
}

impl Words {
    fn parse(words: &[String], is_ipv4: bool) -> Result<Self, String> {
        if words.iter().any(|word| word.contains(['\n', '\r', '\0', '"', '\'', '`', '\\'])) {
            return Err(format!("{:?} contains a quote or a control character", words.join(" ")));
        }
        if words[0].starts_with(['-', '!']) {
            return Ok(Self::Iptables(words.to_vec()));
        }
        let text = words.join(" ");
        let spaced = text.replace('{', " { ").replace('}', " } ").replace(',', " , ");
        let mut parser = Parser::new(&spaced, is_ipv4);
        let mut alternatives = vec![Vec::new()];
        while !parser.rest().is_empty() {
            let behind = parser.rest().join(" ");
            let Some(any) = parser.condition() else {
                return Err(format!("unknown condition at {behind:?}"));
            };
            let all = alternatives.iter().flat_map(|before: &Vec<Condition>| {
                any.iter().map(|more| before.iter().chain(more).cloned().collect())
            });
            alternatives = all.collect();
            if alternatives.len() > MAX_ALTERNATIVES {
                return Err(format!("{text:?} expands to more than {MAX_ALTERNATIVES} rules"));
            }
        }
        Ok(Self::Nftables(alternatives))
    }

    fn syntax(&self) -> Syntax {
        match self {
            Self::Nftables(_) => Syntax::Nftables,
            Self::Iptables(_) => Syntax::Iptables,
        }
    }
}

impl Condition {
    fn append(&self, rule: Rule) -> Rule {
        match self.clone() {
            Self::Address { of_source: true, net, differs: false } => rule.saddr(net),
            Self::Address { of_source: true, net, differs: true } => rule.not_saddr(net),
            Self::Address { of_source: false, net, differs: false } => rule.daddr(net),
            Self::Address { of_source: false, net, differs: true } => rule.not_daddr(net),
            Self::Is { field, value, differs: false } => rule.is(field, value),
            Self::Is { field, value, differs: true } => rule.is_not(field, value),
            Self::OfProtocol(protocol) => rule.protocol(protocol),
            Self::State(states) => rule.ct_state(&states),
            Self::MaskedMark { mark, mask } => rule.mark(mark, mask),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::parser::parse_net;
    use super::*;

    fn parse(text: &str) -> Result<Vec<Vec<Condition>>, String> {
        let words: Vec<_> = text.split(' ').map(str::to_owned).collect();
        match Words::parse(&words, true)? {
            Words::Nftables(alternatives) => Ok(alternatives),
            Words::Iptables(words) => Err(format!("{words:?} are words of iptables")),
        }
    }

    fn daddr(net: &str, differs: bool) -> Condition {
        Condition::Address { of_source: false, net: parse_net(net).expect("a literal"), differs }
    }

    #[test]
    fn one_of_several_values_is_several_rules_and_none_of_them_is_one() {
        let any = parse("ip daddr { 10.0.0.1, 10.1.0.0/16 } ip daddr != 10.1.2.3").expect("known words");
        let not = daddr("10.1.2.3", true);
        assert_eq!(
            any,
            [vec![daddr("10.0.0.1", false), not.clone()], vec![daddr("10.1.0.0/16", false), not]]
        );
        let none = parse("ip daddr != {10.0.0.1,10.0.0.2}").expect("known words");
        assert_eq!(none, [vec![daddr("10.0.0.1", true), daddr("10.0.0.2", true)]]);
    }

    #[test]
    fn what_is_not_known_is_named_and_nothing_is_guessed() {
        for (text, named) in [
            ("ip daddr 10.0.0.1 limit rate 1/second", "\"limit rate 1/second\""),
            ("ip6 daddr fd00::1", "\"ip6 daddr fd00::1\""),
            ("ip daddr fd00::1", "\"ip daddr fd00::1\""),
            ("ip daddr 10.0.0.1-10.0.0.9", "\"ip daddr 10.0.0.1-10.0.0.9\""),
            ("ip daddr { 10.0.0.1", "\"ip daddr { 10.0.0.1\""),
            ("ip daddr", "\"ip daddr\""),
            ("ip daddr 10.0.0.1; flush ruleset", "\"ip daddr 10.0.0.1; flush ruleset\""),
            ("tcp dport 65536", "\"tcp dport 65536\""),
            ("iifname eth*", "\"iifname eth*\""),
            ("ip daddr 10.0.0.1\nflush ruleset", "control character"),
        ] {
            let why = parse(text).expect_err(text);
            assert!(why.contains(named), "{why}");
        }
    }

    #[test]
    fn every_word_that_is_known_makes_a_rule() {
        let table = cni_skel::nft::Table::new(cni_skel::nft::Family::Ip, "t");
        let chain = cni_skel::nft::Chain::new(&table, "c");
        let rule = Rule::new(&chain);
        for text in [
            "ip saddr 10.0.0.0/8 iifname != eth0 oifname eth1 meta iifname lo",
            "meta mark & 0x8000 == 0x8000 mark 7 ct mark != 0x1 ct state new,established",
            "tcp dport { 80, 443 } udp sport 53 meta l4proto != sctp fib daddr type local",
        ] {
            let words: Vec<_> = text.split(' ').map(str::to_owned).collect();
            let conditions = Conditions::parse(Some(&words), None).expect(text);
            let rules = conditions.begin(&rule, true);
            assert_eq!(rules.len(), if text.contains('{') { 2 } else { 1 });
            assert!(rules.iter().all(|with| !with.does_the_same(&rule)));
            assert!(conditions.begin(&rule, false)[0].does_the_same(&rule));
        }
    }
}
