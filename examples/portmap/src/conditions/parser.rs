//! Reads conditions in the words of `nft`.

use std::net::IpAddr;

use cni_skel::nft::{CtState, Field, Value};
use cni_skel::types::Protocol;
use ipnet::IpNet;

use super::Condition;

/// Reads what `nft` would read, as far as it is known here.
pub(super) struct Parser<'a> {
    words: Vec<&'a str>,
    at: usize,
    is_ipv4: bool,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str, is_ipv4: bool) -> Self {
        Self { words: text.split_whitespace().collect(), at: 0, is_ipv4 }
    }

    /// What has not been read yet.
    pub(super) fn rest(&self) -> &[&'a str] {
        &self.words[self.at.min(self.words.len())..]
    }

    /// Reads one condition: the ways to fulfil it, each of which may need several comparisons.
    pub(super) fn condition(&mut self) -> Option<Vec<Vec<Condition>>> {
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

pub(super) fn parse_net(text: &str) -> Option<IpNet> {
    text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

fn protocol(text: &str) -> Option<Protocol> {
    Protocol::ALL.iter().copied().find(|protocol| protocol.as_str() == text)
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
