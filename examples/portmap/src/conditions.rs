//! What packets have to be like for their ports to be mapped: keys `conditionsV4` and `conditionsV6`.
//!
//! The words of `nft` are read into what a rule compares, and never given to a program. Those of iptables are kept as
//! they are.

use std::net::IpAddr;

use cni_skel::nft::{CtState, Field, Rule, Value};
use cni_skel::types::Protocol;
use cni_skel::{Error, Result};
use ipnet::IpNet;

use crate::config::Config;

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

/// The error for conditions in the words of the other backend.
pub(crate) fn of_another_backend(config: &Config) -> Error {
    let words = [("conditionsV4", &config.conditions_v4), ("conditionsV6", &config.conditions_v6)];
    let shown: Vec<_> = words
        .iter()
        .filter_map(|(key, words)| Some(format!("{key}: {:?}", words.as_ref()?.join(" "))))
        .collect();
    Error::invalid_config(format!(
        "{} is in the words of another backend than {:?}",
        shown.join(" and "),
        config.backend.as_deref().unwrap_or_default()
    ))
}

impl Words {
    fn parse(words: &[String], is_ipv4: bool) -> Result<Self, String> {
        if words.iter().any(|word| word.contains(['\n', '\r', '\0', '"', '\'', '`', '\\'])) {
            return Err(format!("{:?} has a quote or a control character", words.join(" ")));
        }
        if words[0].starts_with(['-', '!']) {
            return Ok(Self::Iptables(words.to_vec()));
        }
        let text = words.join(" ");
        let spaced = text.replace('{', " { ").replace('}', " } ").replace(',', " , ");
        let mut parser = Parser { words: spaced.split_whitespace().collect(), at: 0, is_ipv4 };
        let mut alternatives = vec![Vec::new()];
        while parser.at < parser.words.len() {
            let start = parser.at;
            let Some(any) = parser.condition() else {
                let behind = parser.words[start..].join(" ");
                return Err(format!("{behind:?} does not begin with a condition that is known here"));
            };
            let all = alternatives.iter().flat_map(|before: &Vec<Condition>| {
                any.iter().map(|more| before.iter().chain(more).cloned().collect())
            });
            alternatives = all.collect();
            if alternatives.len() > MAX_ALTERNATIVES {
                return Err(format!("{text:?} would be more than {MAX_ALTERNATIVES} rules"));
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

/// Reads what `nft` would read, as far as it is known here.
struct Parser<'a> {
    words: Vec<&'a str>,
    at: usize,
    is_ipv4: bool,
}

impl<'a> Parser<'a> {
    /// Reads one condition: the ways to fulfil it, each of which may need several comparisons.
    fn condition(&mut self) -> Option<Vec<Vec<Condition>>> {
        let word = self.word()?;
        match word {
            "ip" | "ip6" if (word == "ip") == self.is_ipv4 => {
                let of_source = match self.word()? {
                    "saddr" => true,
                    "daddr" => false,
                    _ => return None,
                };
                let is_ipv4 = self.is_ipv4;
                let net = move |text: &str| parse_net(text).filter(|net| net.addr().is_ipv4() == is_ipv4);
                self.compared(net, move |net, differs| vec![Condition::Address { of_source, net, differs }])
            }
            "iifname" | "oifname" => self.interface(word),
            "meta" => match self.word()? {
                name @ ("iifname" | "oifname") => self.interface(name),
                "mark" => self.mark(Field::Mark),
                "l4proto" => {
                    let field = Field::L4Proto;
                    self.compared(protocol, move |protocol, differs| {
                        vec![Condition::Is { field, value: protocol.into(), differs }]
                    })
                }
                _ => None,
            },
            "mark" => self.mark(Field::Mark),
            "ct" => match self.word()? {
                "mark" => self.mark(Field::CtMark),
                "state" => self.state(),
                _ => None,
            },
            "tcp" | "udp" | "sctp" => {
                let of = protocol(word)?;
                let field = match self.word()? {
                    "sport" => Field::Sport,
                    "dport" => Field::Dport,
                    _ => return None,
                };
                let port = |text: &str| text.parse::<u16>().ok();
                self.compared(port, move |port, differs| {
                    vec![
                        Condition::OfProtocol(of),
                        Condition::Is { field, value: Value::port(port), differs },
                    ]
                })
            }
            "fib" => {
                let rest = [self.word()?, self.word()?, self.word()?];
                let field = Field::FibDaddrType;
                (rest == ["daddr", "type", "local"])
                    .then(|| vec![vec![Condition::Is { field, value: Value::fib_local(), differs: false }]])
            }
            _ => None,
        }
    }

    fn interface(&mut self, name: &str) -> Option<Vec<Vec<Condition>>> {
        let field = if name == "iifname" { Field::IifName } else { Field::OifName };
        // A star at the end would be a pattern.
        let value = |text: &str| Value::ifname(text).filter(|_| !text.contains('*'));
        self.compared(value, move |value, differs| vec![Condition::Is { field, value, differs }])
    }

    fn mark(&mut self, field: Field) -> Option<Vec<Vec<Condition>>> {
        if self.words.get(self.at) == Some(&"&") && field == Field::Mark {
            self.at += 1;
            let mask = number(self.word()?)?;
            let is_equal = self.word()? == "==";
            let mark = number(self.word()?)?;
            let fits = is_equal && mark & !mask == 0;
            return fits.then(|| vec![vec![Condition::MaskedMark { mark, mask }]]);
        }
        self.compared(number, move |mark, differs| {
            vec![Condition::Is { field, value: Value::mark(mark), differs }]
        })
    }

    /// States have no braces: each is a bit.
    fn state(&mut self) -> Option<Vec<Vec<Condition>>> {
        let mut states = vec![state(self.word()?)?];
        while self.words.get(self.at) == Some(&",") {
            self.at += 1;
            states.push(state(self.word()?)?);
        }
        Some(vec![vec![Condition::State(states)]])
    }

    /// Reads an operator, if there is one, and a value or several in braces.
    fn compared<T>(
        &mut self,
        parse: impl Fn(&str) -> Option<T>,
        make: impl Fn(T, bool) -> Vec<Condition>,
    ) -> Option<Vec<Vec<Condition>>> {
        let operator = self.words.get(self.at).copied();
        if matches!(operator, Some("==" | "!=")) {
            self.at += 1;
        }
        let differs = operator == Some("!=");
        let mut values = Vec::new();
        if self.words.get(self.at) == Some(&"{") {
            self.at += 1;
            loop {
                values.push(parse(self.word()?)?);
                match self.word()? {
                    "," => {}
                    "}" => break,
                    _ => return None,
                }
            }
        } else {
            values.push(parse(self.word()?)?);
        }
        let comparisons = values.into_iter().map(|value| make(value, differs));
        // Unlike one of several is unlike each of them.
        Some(if differs { vec![comparisons.flatten().collect()] } else { comparisons.collect() })
    }

    fn word(&mut self) -> Option<&'a str> {
        let word = self.words.get(self.at).copied();
        self.at += 1;
        word
    }
}

fn parse_net(text: &str) -> Option<IpNet> {
    text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

fn protocol(text: &str) -> Option<Protocol> {
    Protocol::ALL.into_iter().find(|protocol| protocol.as_str() == text)
}

fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

fn state(text: &str) -> Option<CtState> {
    Some(match text {
        "invalid" => CtState::Invalid,
        "established" => CtState::Established,
        "related" => CtState::Related,
        "new" => CtState::New,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
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
