//! Events as text.

use std::fmt::Write as _;
use std::time::Duration;

use cni_testing::types::{AddResult, Interface};

use crate::event::{Call, Event, Exchange};

/// The widths of the columns for commands, plugins and containers.
const COMMAND: usize = 8;
const PLUGIN: usize = 14;
const CONTAINER: usize = 5;

/// How many failures are told in the end.
const SHOWN: usize = 10;

/// The lines of an event.
pub(crate) fn of(event: &Event, colour: bool) -> String {
    let paint = Paint { colour };
    match event {
        Event::Network { name, cni_version, plugins, containers, .. } => {
            let plugins = plugins.join(", ");
            let s = if *containers == 1 { "" } else { "s" };
            let about = format!("version {cni_version}, {containers} container{s}");
            format!("{} - {plugins} - {about}\n", paint.bold(&format!("network {name}")))
        }
        Event::Step { title } => format!("\n{}\n", paint.bold(title)),
        Event::Call(call) => lines_of_call(call, "  ", &paint),
        Event::Exchange(exchange) => line_of_exchange(exchange, &paint),
        Event::State { .. } => String::new(),
        Event::Note { text } => format!("  {}\n", paint.dim(&escape(text))),
        Event::Failure { text } => format!("  {} {}\n", paint.red("FAILED"), escape(text)),
        Event::Left { kept, leaked, missing } => {
            let mut text = String::new();
            for (what, items) in [("left behind", leaked), ("gone", missing)] {
                for item in items {
                    let _ = writeln!(text, "  {} {}", paint.red(what), escape(item));
                }
            }
            if text.is_empty() {
                let _ = writeln!(text, "  {}", paint.green("nothing"));
            }
            for item in kept {
                let _ = writeln!(text, "  {}", paint.dim(&format!("the network keeps {}", escape(item))));
            }
            text
        }
        Event::Summary { ok, failed, calls, exchanges, failures, in_plugins } => {
            let plural = |n: &usize, what: &str| format!("{n} {what}{}", if *n == 1 { "" } else { "s" });
            let verdict = match ok {
                true => paint.green("all is well"),
                false => paint.red(&plural(failures, "failure")),
            };
            let calls = plural(calls, "plugin call");
            let exchanges = plural(exchanges, "exchange");
            let mut text = format!(
                "\n{verdict}: {calls} in {}, {exchanges} between containers\n",
                time(*in_plugins).trim()
            );
            for failed in failed.iter().take(SHOWN) {
                let _ = writeln!(text, "  {}", escape(failed));
            }
            if failed.len() > SHOWN {
                let _ = writeln!(text, "  and {} more", failed.len() - SHOWN);
            }
            if !ok {
                text.push_str(
                    "Each is shown above, where it happened. --json shows the whole answer of each plugin. The plugins of this\n\
                     repository log what they do with \"logLevel\": \"debug\" in their configuration.\n",
                );
            }
            text
        }
    }
}

fn lines_of_call(call: &Call, indent: &str, paint: &Paint) -> String {
    // A delegate is indented, but the columns after it are not.
    let plugin = PLUGIN.saturating_sub(indent.len() - 2);
    let command = paint.bold(&format!("{:COMMAND$}", call.command));
    let container = call.container.as_deref().unwrap_or_default();
    let mut text = format!("{indent}{command}{:plugin$} {container:CONTAINER$}", call.plugin);
    let _ = write!(text, "{}", time(call.duration));
    match (&call.error, &call.decoded) {
        (Some(error), _) => {
            let _ = write!(text, "  {} {}", paint.red("FAILED"), escape(error));
        }
        (None, Some(result)) if call.command == "ADD" => {
            let _ = write!(text, "  {}", escape(&describe(result)));
        }
        _ => {}
    }
    text.push('\n');
    for line in call.stderr.lines() {
        let _ = writeln!(text, "{indent}  {}", paint.dim(&format!("stderr: {}", escape(line))));
    }
    for delegate in &call.delegates {
        text.push_str(&lines_of_call(delegate, &format!("{indent}  "), paint));
    }
    text
}

/// The container's interfaces with their addresses, the addresses without one, and the interfaces on the host.
fn describe(result: &AddResult) -> String {
    let is_inside = |interface: &Interface| interface.sandbox.as_ref().is_some_and(|path| !path.is_empty());
    let addresses = |of: Option<usize>| {
        let ips = result.ips.iter().filter(move |ip| ip.interface == of);
        ips.map(|ip| ip.address.to_string())
    };
    let interfaces = || result.interfaces.iter().enumerate();
    let mut parts: Vec<String> = interfaces()
        .filter(|(_, interface)| is_inside(interface))
        .map(|(n, interface)| {
            Some(interface.name.clone()).into_iter().chain(addresses(Some(n))).collect::<Vec<_>>().join(" ")
        })
        .collect();
    parts.extend(addresses(None));
    let outside: Vec<_> = interfaces().filter(|(_, i)| !is_inside(i)).map(|(_, i)| i.name.as_str()).collect();
    if !outside.is_empty() {
        parts.push(format!("[host: {}]", outside.join(" ")));
    }
    parts.join(" ")
}

/// Text from a plugin or a file name, on one line and without control characters.
fn escape(text: &str) -> String {
    let is_wild = |c: char| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if is_wild(c) { c.escape_default().to_string() } else { c.to_string() }).collect()
}

fn line_of_exchange(exchange: &Exchange, paint: &Paint) -> String {
    let Exchange { protocol, from, from_address, to, to_address, bytes, duration, error } = exchange;
    let mut text = format!("  {:COMMAND$}", protocol.to_uppercase());
    match error {
        Some(error) => {
            let _ =
                write!(text, "{from} {from_address} -> {to} {to_address}  {} {error}", paint.red("FAILED"));
        }
        None => {
            let pair = format!("{from} {from_address} <-> {to} {to_address}");
            let _ = write!(text, "{pair:44} {}  {} each way", time(*duration), size(*bytes));
        }
    }
    text.push('\n');
    text
}

fn size(bytes: usize) -> String {
    if bytes < 1 << 11 { format!("{bytes} bytes") } else { format!("{} KiB", bytes >> 10) }
}

fn time(duration: Duration) -> String {
    let text = if duration < Duration::from_secs(1) {
        format!("{:.1} ms", duration.as_secs_f64() * 1e3)
    } else {
        format!("{:.2} s", duration.as_secs_f64())
    };
    format!("{text:>9}")
}

struct Paint {
    colour: bool,
}

impl Paint {
    fn with(&self, code: u8, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn bold(&self, text: &str) -> String {
        self.with(1, text)
    }

    fn dim(&self, text: &str) -> String {
        self.with(2, text)
    }

    fn red(&self, text: &str) -> String {
        self.with(31, text)
    }

    fn green(&self, text: &str) -> String {
        self.with(32, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals() {
        let event =
            Event::Left { kept: Vec::new(), leaked: vec!["bridge cni0".to_owned()], missing: Vec::new() };
        assert_eq!(of(&event, false), "  left behind bridge cni0\n");
        assert_eq!(of(&event, true), "  \u{1b}[31mleft behind\u{1b}[0m bridge cni0\n");
    }

    #[test]
    fn a_summary_counts_one_and_many() {
        let summary = |ok, failures| {
            let in_plugins = Duration::from_micros(1500);
            let failed = (0..failures).map(|n| format!("ADD first c{n}: code 11, busy")).collect();
            of(&Event::Summary { ok, failed, calls: 1, exchanges: 2, failures, in_plugins }, false)
        };
        assert_eq!(
            summary(true, 0),
            "\nall is well: 1 plugin call in 1.5 ms, 2 exchanges between containers\n"
        );
        assert!(summary(false, 1).starts_with("\n1 failure: "));
        assert!(summary(false, 1).contains("\n  ADD first c0: code 11, busy\nEach is shown above, "));
        assert!(summary(false, 12).contains("c9: code 11, busy\n  and 2 more\n"));
    }
}
