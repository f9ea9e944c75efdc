//! Parses the options of a rule: from `iptables-save`, or from an administrator.

use std::net::{IpAddr, SocketAddr};

use cni_types::Protocol;
use ipnet::IpNet;

use super::rule::{Is, Match, Rule, Spec, Target};
use crate::{Error, Result};

/// The short options that are not matches.
const OTHER_OPTIONS: [&str; 20] = [
    "-A", "-C", "-D", "-I", "-R", "-L", "-S", "-F", "-Z", "-N", "-X", "-P", "-E", "-j", "-g", "-t", "-w",
    "-W", "-c", "-M",
];
/// The long options that are not matches. iptables accepts the beginning of one as well.
const OTHER_LONG_OPTIONS: [&str; 19] = [
    "--append",
    "--check",
    "--delete",
    "--insert",
    "--replace",
    "--list",
    "--list-rules",
    "--flush",
    "--zero",
    "--new-chain",
    "--delete-chain",
    "--policy",
    "--rename-chain",
    "--jump",
    "--goto",
    "--table",
    "--wait",
    "--wait-interval",
    "--modprobe",
];

impl Rule {
    /// Adds matches as options of `iptables`, one word each: `-i`, `eth0`, `!`, `-s`, `10.0.0.0/8`.
    ///
    /// Options that correspond to a method of this type are parsed. Others are kept as they are; a batch with such a rule needs
    /// the program.
    ///
    /// # Errors
    ///
    /// Code 7 if a word is not part of a match: an option for a target, table or chain, a control character, or a missing or
    /// invalid value.
    pub fn conditions(self, words: &[impl AsRef<str>]) -> Result<Self> {
        let words: Vec<_> = words.iter().map(|word| word.as_ref().to_owned()).collect();
        let mut rule = self;
        read_conditions(&mut rule.spec, &words)?;
        Ok(rule)
    }
}

/// Parses the options of a rule from a list.
pub(super) fn read_listed(words: &[String]) -> Spec {
    let mut spec = Spec::default();
    let mut reader = Reader { words, spec: &mut spec };
    while !reader.words.is_empty() {
        if reader.next().is_none() {
            // Such a rule was not added by this library.
            reader.spec.matches.push(Match::Unknown);
            break;
        }
    }
    spec
}

/// Parses matches and adds them to a rule.
fn read_conditions(spec: &mut Spec, words: &[String]) -> Result<()> {
    let is_refused = |word: &&String| {
        let name = word.split('=').next().unwrap_or_default();
        OTHER_OPTIONS.iter().any(|option| word.starts_with(option))
            || name.len() > 3 && OTHER_LONG_OPTIONS.iter().any(|option| option.starts_with(name))
            || word.chars().any(char::is_control)
            || word.is_empty()
    };
    if let Some(word) = words.iter().find(is_refused) {
        return Err(Error::invalid_config(format!("{word:?} is not a match of iptables")));
    }
    let mut reader = Reader { words, spec };
    while let Some(word) = reader.words.first() {
        let before = reader.words.len();
        if reader.next().is_none() || reader.words.len() == before {
            return Err(Error::invalid_config(format!(
                "iptables option {word:?} has a missing or invalid value"
            )));
        }
    }
    Ok(())
}

/// The remaining words, and the rule that they are added to.
struct Reader<'a, 's> {
    words: &'a [String],
    spec: &'s mut Spec,
}

impl<'a> Reader<'a, '_> {
    /// Parses an option, or a match or target with all its options. Returns `None` if it is malformed.
    fn next(&mut self) -> Option<()> {
        let not = self.words.first()? == "!";
        let [option, rest @ ..] = &self.words[usize::from(not)..] else { return None };
        self.words = rest;
        match option.as_str() {
            "-s" | "--source" | "--src" => self.spec.source = Some(self.net(not)?),
            "-d" | "--destination" | "--dst" => self.spec.destination = Some(self.net(not)?),
            "-i" | "--in-interface" => self.spec.in_interface = Some(self.name(not)?),
            "-o" | "--out-interface" => self.spec.out_interface = Some(self.name(not)?),
            "-p" | "--protocol" | "--proto" => self.protocol(not)?,
            "-m" | "--match" if !not => {
                let name = self.value()?.to_owned();
                let options = self.options();
                self.spec.matches.push(read_match(&name, options, self.spec.protocol));
            }
            "-j" | "--jump" if !not => {
                let name = self.value()?;
                let options = self.options();
                self.spec.target = Some(read_target(name, options));
            }
            "-g" | "--goto" if !not => self.spec.target = Some(Target::Goto(self.value()?.to_owned())),
            // An option of the protocol's match, which may be used without `-m`, or one that only the program knows.
            other => {
                let mut words = vec![other.to_owned()];
                if not {
                    words.insert(0, "!".to_owned());
                }
                words.extend_from_slice(self.values());
                self.spec.matches.push(match self.spec.protocol.filter(|_| other.starts_with("--")) {
                    Some(protocol) => read_match(protocol.as_str(), &words, Some(protocol)),
                    None => Match::Words(words),
                });
            }
        }
        Some(())
    }

    fn protocol(&mut self, not: bool) -> Option<()> {
        let value = self.value()?;
        match value.parse::<Protocol>() {
            Ok(protocol) if !not && self.spec.protocol.is_none_or(|known| known == protocol) => {
                self.spec.protocol = Some(protocol);
            }
            _ => {
                let words = [if not { "!" } else { "" }, "-p", value];
                let words = words.iter().filter(|word| !word.is_empty()).map(ToString::to_string);
                self.spec.matches.push(Match::Words(words.collect()));
            }
        }
        Some(())
    }

    fn net(&mut self, not: bool) -> Option<Is<IpNet>> {
        Some(Is::new(not, net(self.value()?)?))
    }

    fn name(&mut self, not: bool) -> Option<Is<String>> {
        Some(Is::new(not, self.value()?.to_owned()))
    }

    fn value(&mut self) -> Option<&'a str> {
        let (value, rest) = self.words.split_first()?;
        self.words = rest;
        Some(value)
    }

    /// Takes the words up to the next option.
    fn values(&mut self) -> &'a [String] {
        let end = self.words.iter().position(|word| word == "!" || word.starts_with('-'));
        let (values, rest) = self.words.split_at(end.unwrap_or(self.words.len()));
        self.words = rest;
        values
    }

    /// Takes the words up to the next short option. The options of a match or target are long.
    fn options(&mut self) -> &'a [String] {
        let is_other = |at: usize| {
            let word = &self.words[at];
            let option = if word == "!" { self.words.get(at + 1) } else { Some(word) };
            // The value of an option that takes any text may look like an option.
            let is_text = at > 0 && matches!(self.words[at - 1].as_str(), "--comment" | "--string");
            !is_text && option.is_some_and(|option| option.starts_with('-') && !option.starts_with("--"))
        };
        let end = (0..self.words.len()).find(|at| is_other(*at)).unwrap_or(self.words.len());
        let (options, rest) = self.words.split_at(end);
        self.words = rest;
        options
    }
}

fn read_match(name: &str, options: &[String], protocol: Option<Protocol>) -> Match {
    let words: Vec<_> = options.iter().map(String::as_str).collect();
    let known = match (name, &words[..]) {
        ("comment", ["--comment", text]) => Some(Match::Comment((*text).to_owned())),
        (name, ["--dport" | "--destination-port", port]) if protocol.is_some_and(|p| p.as_str() == name) => {
            port.parse().ok().map(Match::Dport)
        }
        ("multiport", ["--dports" | "--destination-ports", ports]) => {
            ports.split(',').map(|port| port.parse().ok()).collect::<Option<_>>().map(Match::Dports)
        }
        ("addrtype", ["--dst-type", "LOCAL"]) => Some(Match::Local),
        ("mark", [not @ .., "--mark", mark]) if matches!(not, [] | ["!"]) => {
            masked(mark).map(|(mark, mask)| Match::Mark { mark: Is::new(!not.is_empty(), mark), mask })
        }
        _ => None,
    };
    known.unwrap_or_else(|| {
        let mut all = vec!["-m".to_owned(), name.to_owned()];
        all.extend_from_slice(options);
        Match::Words(all)
    })
}

fn read_target(name: &str, options: &[String]) -> Target {
    let words: Vec<_> = options.iter().map(String::as_str).collect();
    let known = match (name, &words[..]) {
        ("ACCEPT", []) => Some(Target::Accept),
        ("RETURN", []) => Some(Target::Return),
        ("MASQUERADE", []) => Some(Target::Masquerade),
        ("DNAT", ["--to-destination", to]) => destination(to),
        ("MARK", ["--set-xmark", mark]) => masked(mark).map(|(mark, mask)| Target::Mark { mark, mask }),
        (chain, []) => Some(Target::Jump(chain.to_owned())),
        _ => None,
    };
    known.unwrap_or(Target::Unknown)
}

fn destination(to: &str) -> Option<Target> {
    if let Ok(to) = to.parse::<SocketAddr>() {
        return Some(Target::Dnat { to: to.ip(), port: Some(to.port()) });
    }
    to.parse().ok().map(|to| Target::Dnat { to, port: None })
}

/// Parses an address, alone or with a prefix length or mask.
fn net(text: &str) -> Option<IpNet> {
    if let Some((address, mask)) = text.split_once('/')
        && let (Ok(address), Ok(mask)) = (address.parse::<IpAddr>(), mask.parse::<IpAddr>())
    {
        return IpNet::with_netmask(address, mask).ok().map(|net| net.trunc());
    }
    let net: Option<IpNet> = text.parse().ok();
    net.or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from)).map(|net| net.trunc())
}

fn masked(text: &str) -> Option<(u32, u32)> {
    match text.split_once('/') {
        Some((mark, mask)) => Some((number(mark)?, number(mask)?)),
        None => Some((number(text)?, u32::MAX)),
    }
}

fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}
