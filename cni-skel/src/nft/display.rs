//! Rules as text, for messages and comparisons.

use std::fmt::{self, Display};
use std::net::Ipv4Addr;

use super::expression::{Expression, Extension, Nat, Verdict};
use super::rule::Rule;

/// Formats chain, comment and expressions, without handle and counters. It is not the syntax of `nft`: it shows the kernel's
/// expressions, and numbers where `nft` has names.
impl Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.describe())?;
        self.steps.iter().try_for_each(|step| write!(f, " {step}"))
    }
}

impl Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Payload { base, offset, length, .. } => write!(f, "payload {base}:{offset}+{length}"),
            Self::Meta { key, .. } => write!(f, "meta {key}"),
            Self::SetMeta { key, .. } => write!(f, "set meta {key}"),
            Self::Ct { key, .. } => write!(f, "ct {key}"),
            Self::SetCt { key, .. } => write!(f, "set ct {key}"),
            Self::Fib { result, flags, .. } => write!(f, "fib {result} {flags:#x}"),
            Self::Cmp { differs, value, .. } => {
                write!(f, "{} {}", if *differs { "!=" } else { "==" }, Bytes(value))
            }
            Self::Bitwise { mask, xor, .. } => write!(f, "& {} ^ {}", Bytes(mask), Bytes(xor)),
            Self::Lookup { set, inverted, to, .. } => {
                let word = if to.is_some() { "by" } else { "in" };
                write!(f, "{}{word} {set}", if *inverted { "not " } else { "" })
            }
            Self::Immediate { value, .. } => write!(f, "{}", Bytes(value)),
            Self::Verdict(Verdict::Accept) => f.write_str("accept"),
            Self::Verdict(Verdict::Drop) => f.write_str("drop"),
            Self::Verdict(Verdict::Return) => f.write_str("return"),
            Self::Verdict(Verdict::Jump(chain)) => write!(f, "jump {chain}"),
            Self::Verdict(Verdict::Goto(chain)) => write!(f, "goto {chain}"),
            Self::Masquerade => f.write_str("masquerade"),
            Self::Nat { nat: Nat::Source, .. } => f.write_str("snat"),
            Self::Nat { nat: Nat::Destination, .. } => f.write_str("dnat"),
            Self::Match(Extension { name, info, .. }) => write!(f, "match {name} {}", Bytes(info)),
            Self::Target(Extension { name, info, .. }) => write!(f, "target {name} {}", Bytes(info)),
            Self::Counter => f.write_str("counter"),
            Self::Other { name, raw } => write!(f, "{name} {}", Bytes(raw)),
        }
    }
}

/// Formats bytes as an IPv4 address, as text or as hexadecimal digits, and a long row of zeros as `..`.
struct Bytes<'a>(&'a [u8]);

impl Display for Bytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Ok(four) = <[u8; 4]>::try_from(self.0) {
            return write!(f, "{}", Ipv4Addr::from(four));
        }
        let is_of_text = |byte: &u8| byte.is_ascii_graphic();
        for run in self.0.chunk_by(|a, b| (*a == 0) == (*b == 0) && is_of_text(a) == is_of_text(b)) {
            match run {
                [0, 0, 0, ..] => f.write_str("..")?,
                [a, _, _, ..] if is_of_text(a) => f.write_str(&String::from_utf8_lossy(run))?,
                _ => run.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nft::{Chain, Family, Table};

    #[test]
    fn a_rule_is_readable_text() {
        let chain = Chain::new(&Table::new(Family::Ip, "nat"), "out");
        let address: std::net::IpAddr = "10.1.0.7".parse().unwrap();
        let rule =
            Rule::new(&chain).saddr(address).oifname("eth0").counter().masquerade().comment("a container");
        let text = rule.to_string();
        assert_eq!(
            text,
            "ip nat out (a container): payload 1:12+4 == 10.1.0.7 meta 7 == eth0.. counter masquerade"
        );
        assert_eq!(Bytes(b"\x0e\0\x01\0conntrack\0\0\0\x01").to_string(), "0e000100conntrack..01");
    }
}
