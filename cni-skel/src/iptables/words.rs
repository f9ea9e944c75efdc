//! Rules as options in the syntax of `iptables-restore` and `iptables-save`.

use std::fmt::{self, Write};

use super::rule::{Is, Match, Rule, Spec, Target};

/// Formats the rule as `iptables-save` does, without `-A` and chain.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&of(&self.spec))
    }
}

pub(super) fn of(spec: &Spec) -> String {
    let mut words = Words(String::new());
    words.is("-s", spec.source.as_ref());
    words.is("-d", spec.destination.as_ref());
    words.is("-i", spec.in_interface.as_ref());
    words.is("-o", spec.out_interface.as_ref());
    if let Some(protocol) = spec.protocol {
        words.plain("-p").plain(protocol);
    }
    for found in &spec.matches {
        put_match(&mut words, spec, found);
    }
    if let Some(target) = &spec.target {
        put_target(&mut words, target);
    }
    words.0
}

fn put_match(words: &mut Words, spec: &Spec, found: &Match) {
    match found {
        Match::Comment(comment) => words.plain("-m comment --comment").text(comment),
        Match::Dport(port) => {
            let protocol = spec.protocol.unwrap_or_default();
            words.plain("-m").plain(protocol).plain("--dport").plain(port)
        }
        Match::Dports(ports) => {
            let ports: Vec<_> = ports.iter().map(ToString::to_string).collect();
            words.plain("-m multiport --dports").plain(ports.join(","))
        }
        Match::Local => words.plain("-m addrtype --dst-type LOCAL"),
        Match::Mark { mark, mask } => {
            words.plain("-m mark").plain(if mark.not { "! --mark" } else { "--mark" });
            words.plain(masked(mark.value, *mask))
        }
        Match::Words(given) => given.iter().fold(words, |words, word| words.text(word)),
        // A rule with this is refused before.
        Match::Unknown => words,
    };
}

fn put_target(words: &mut Words, target: &Target) {
    match target {
        Target::Accept => words.plain("-j ACCEPT"),
        Target::Return => words.plain("-j RETURN"),
        Target::Jump(chain) => words.plain("-j").text(chain),
        Target::Goto(chain) => words.plain("-g").text(chain),
        Target::Masquerade => words.plain("-j MASQUERADE"),
        Target::Dnat { to, port } => {
            words.plain("-j DNAT --to-destination");
            match port {
                Some(port) => words.plain(std::net::SocketAddr::new(*to, *port)),
                None => words.plain(to),
            }
        }
        Target::Mark { mark, mask } => {
            words.plain("-j MARK --set-xmark").plain(format_args!("{mark:#x}/{mask:#x}"))
        }
        // A rule with this is refused before.
        Target::Unknown => words,
    };
}

fn masked(mark: u32, mask: u32) -> String {
    if mask == u32::MAX { format!("{mark:#x}") } else { format!("{mark:#x}/{mask:#x}") }
}

/// Words, separated by spaces.
struct Words(String);

impl Words {
    /// Appends a word that needs no quotes.
    fn plain(&mut self, word: impl fmt::Display) -> &mut Self {
        if !self.0.is_empty() {
            self.0.push(' ');
        }
        // Writing to a String does not fail.
        let _ = write!(self.0, "{word}");
        self
    }

    /// Appends a word, with quotes if it needs them.
    fn text(&mut self, text: &str) -> &mut Self {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"_-.:/,+!=".contains(&b);
        if !text.is_empty() && text.bytes().all(is_plain) {
            return self.plain(text);
        }
        let mut quoted = String::from('"');
        for character in text.chars() {
            // The characters that iptables-save escapes.
            if matches!(character, '"' | '\\' | '\'') {
                quoted.push('\\');
            }
            quoted.push(character);
        }
        quoted.push('"');
        self.plain(quoted)
    }

    fn is(&mut self, option: &str, is: Option<&Is<impl fmt::Display>>) {
        if let Some(Is { not, value }) = is {
            if *not {
                self.plain("!");
            }
            self.plain(option).text(&value.to_string());
        }
    }
}

/// Splits a line into words as `iptables-restore` does. Returns `None` if a quote is not closed.
pub(super) fn split(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut characters = line.chars().peekable();
    loop {
        while characters.next_if(|c| c.is_ascii_whitespace()).is_some() {}
        let mut word = String::new();
        if characters.peek().is_none() {
            return Some(words);
        }
        let mut is_quoted = false;
        loop {
            match characters.next() {
                Some('"') => is_quoted = !is_quoted,
                Some('\\') if is_quoted => word.push(characters.next()?),
                None if is_quoted => return None,
                None => break,
                Some(space) if space.is_ascii_whitespace() && !is_quoted => break,
                Some(other) => word.push(other),
            }
        }
        words.push(word);
    }
}
