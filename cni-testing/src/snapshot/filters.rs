//! nftables, and the rules of iptables' variant that is not made of nftables.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use cni_skel::net::NetError;
use cni_skel::nft::{Chain, Family, Nft, Table};

/// Where the tables of the older variant are listed, for the namespace of the thread that reads, and who shows them.
const LEGACY: [(&str, &str); 2] = [
    ("/proc/thread-self/net/ip_tables_names", "iptables-legacy-save"),
    ("/proc/thread-self/net/ip6_tables_names", "ip6tables-legacy-save"),
];
/// How often all is read again because somebody changes it meanwhile.
const PATIENCE: usize = 20;

/// What is in the namespace of this thread.
pub(super) fn lines() -> io::Result<Vec<String>> {
    let mut lines = Vec::new();
    lines.extend(nftables()?);
    for (list, program) in LEGACY {
        // The kernel lists tables once somebody has used them. Only then is there something to show.
        if cni_skel::seam::World::current().kernel.is_none()
            && fs::read_to_string(list).is_ok_and(|names| !names.trim().is_empty())
        {
            lines.extend(listed_by(program));
        }
    }
    Ok(numbered(lines))
}

fn nftables() -> io::Result<Vec<String>> {
    let first = Nft::open().and_then(|nft| nft.generation().map(|generation| (nft, generation)));
    let (nft, mut generation) = match first {
        Ok(first) => first,
        // The kernel has none, or is made up; or this user may not look, and nothing it starts may change them.
        Err(why) if why.is_unsupported() || why.is_denied() => return Ok(Vec::new()),
        Err(why) => return Err(io::Error::other(why)),
    };
    let mut found = Err(io::Error::new(io::ErrorKind::TimedOut, "the ruleset keeps changing"));
    for _ in 0..PATIENCE {
        let lines = ruleset(&nft);
        let now = nft.generation().map_err(io::Error::other)?;
        if now == generation {
            found = lines.map_err(io::Error::other);
            break;
        }
        generation = now;
    }
    // Whoever closes it waits until the kernel has freed what was deleted last.
    thread::spawn(move || drop(nft));
    found
}

fn ruleset(nft: &Nft) -> Result<Vec<String>, NetError> {
    let mut lines = Vec::new();
    for family in Family::ALL.iter().copied() {
        for table in nft.tables(family)? {
            add_table(nft, &table, &mut lines)?;
        }
    }
    Ok(lines)
}

fn add_table(nft: &Nft, table: &Table, lines: &mut Vec<String>) -> Result<(), NetError> {
    let name = format!("{} {}", table.family.as_str(), table.name);
    lines.push(format!("nftables: table {name}"));
    for chain in nft.chains(table)? {
        let base = chain.base.as_ref().map(|base| format!(" ({base:?})")).unwrap_or_default();
        lines.push(format!("nftables: chain {name} {}{base}", chain.name));
        add_rules(nft, &chain, lines)?;
    }
    for set in nft.sets(table)? {
        lines.push(format!("nftables: set {name} {}", set.name));
        for element in nft.elements(&set)? {
            let words = |values: &[cni_skel::nft::Value]| {
                values.iter().map(|value| format!("{value:?}")).collect::<Vec<_>>().join(" . ")
            };
            let to = if element.data.is_empty() { "" } else { " : " };
            let (key, data) = (words(&element.key), words(&element.data));
            lines.push(format!("nftables: element of {name} {}: {key}{to}{data}", set.name));
        }
    }
    Ok(())
}

fn add_rules(nft: &Nft, chain: &Chain, lines: &mut Vec<String>) -> Result<(), NetError> {
    for rule in nft.rules(chain)? {
        lines.push(format!("nftables: rule {rule}"));
    }
    Ok(())
}

fn listed_by(program: &str) -> Vec<String> {
    let folders = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];
    let found = folders.iter().map(|folder| Path::new(folder).join(program)).find(|path| path.is_file());
    let Some(path) = found else {
        // There is a table now, so that this line is not in a snapshot of the time before.
        return vec![format!("{program}: not installed, so rules of the older iptables are not compared")];
    };
    // What cannot be listed here, by this user or this kernel, is not there before nor after.
    let Ok(output) = Command::new(path).stdin(Stdio::null()).stderr(Stdio::null()).output() else {
        return Vec::new();
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut table = String::new();
    let mut lines = Vec::new();
    for line in text.lines() {
        match line.split_at_checked(1) {
            Some(("*", name)) => name.clone_into(&mut table),
            // The kernel makes them along with a table, which nobody can take away again. They accept unless told otherwise.
            Some((":", chain)) if chain.contains(" ACCEPT ") => {}
            // A chain is shown with its counters.
            Some((":" | "-", _)) => {
                let line = line.split(" [").next().unwrap_or(line);
                lines.push(format!("{program}: {table} {line}"));
            }
            _ => {}
        }
    }
    lines
}

/// A second line like another one is told from it: a rule may be there twice.
fn numbered(lines: Vec<String>) -> Vec<String> {
    let mut seen = BTreeMap::<String, usize>::new();
    let number = |line: String| {
        let count = seen.entry(line.clone()).or_default();
        *count += 1;
        if *count == 1 { line } else { format!("{line} (number {count})") }
    };
    lines.into_iter().map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_twice_is_two_lines() {
        let lines = numbered(vec!["a".to_owned(), "b".to_owned(), "a".to_owned()]);
        assert_eq!(lines, ["a", "b", "a (number 2)"]);
    }
}
