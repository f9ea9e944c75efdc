//! Prints events and counts them.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::event::Event;
use crate::text;

/// Prints each event when it happens.
#[derive(Debug)]
pub(crate) struct Report {
    json: bool,
    colour: bool,
    totals: Mutex<Totals>,
}

#[derive(Debug, Default)]
struct Totals {
    calls: usize,
    exchanges: usize,
    failed: Vec<String>,
    in_plugins: Duration,
}

impl Report {
    pub(crate) fn on_stdout(json: bool) -> Self {
        let wants_none = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colour = io::stdout().is_terminal() && !wants_none;
        Self { json, colour, totals: Mutex::default() }
    }

    pub(crate) fn tell(&self, event: &Event) {
        let mut totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Call(call) => {
                totals.calls += 1;
                let who = [call.command.as_str(), &call.plugin].into_iter().chain(call.container.as_deref());
                let who = who.collect::<Vec<_>>().join(" ");
                totals.failed.extend(call.error.as_ref().map(|error| format!("{who}: {error}")));
                totals.in_plugins += call.duration;
            }
            Event::Exchange(exchange) => {
                totals.exchanges += 1;
                let who = format!("{} from {} to {}", exchange.protocol, exchange.from, exchange.to);
                totals.failed.extend(exchange.error.as_ref().map(|error| format!("{who}: {error}")));
            }
            Event::Failure { text } => totals.failed.push(text.clone()),
            Event::Left { leaked, missing, .. } => {
                totals.failed.extend(leaked.iter().map(|item| format!("left behind: {item}")));
                totals.failed.extend(missing.iter().map(|item| format!("gone: {item}")));
            }
            _ => {}
        }
        let line = if self.json { json(event) } else { text::of(event, self.colour) };
        // If nobody reads stdout, the run still has to clean up.
        let mut stdout = io::stdout().lock();
        let _ = stdout.write_all(line.as_bytes()).and_then(|()| stdout.flush());
    }

    pub(crate) fn step(&self, title: &'static str) {
        self.tell(&Event::Step { title });
    }

    pub(crate) fn note(&self, text: impl Into<String>) {
        self.tell(&Event::Note { text: text.into() });
    }

    pub(crate) fn failure(&self, text: impl Into<String>) {
        self.tell(&Event::Failure { text: text.into() });
    }

    /// Prints the totals. Returns whether there was no failure.
    pub(crate) fn sum_up(&self) -> bool {
        let summary = {
            let totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
            let Totals { calls, exchanges, in_plugins, .. } = *totals;
            let (failed, failures) = (totals.failed.clone(), totals.failed.len());
            Event::Summary { ok: failed.is_empty(), failed, calls, exchanges, failures, in_plugins }
        };
        self.tell(&summary);
        matches!(summary, Event::Summary { ok: true, .. })
    }
}

fn json(event: &Event) -> String {
    // Text and numbers always serialise.
    let json = serde_json::to_string(event).unwrap_or_default();
    format!("{json}\n")
}
