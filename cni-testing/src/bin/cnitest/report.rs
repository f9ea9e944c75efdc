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
    failures: usize,
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
                totals.failures += usize::from(call.error.is_some());
                totals.in_plugins += call.duration;
            }
            Event::Exchange(exchange) => {
                totals.exchanges += 1;
                totals.failures += usize::from(exchange.error.is_some());
            }
            Event::Failure { .. } => totals.failures += 1,
            Event::Left { leaked, missing, .. } => totals.failures += leaked.len() + missing.len(),
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
            let ok = totals.failures == 0;
            let Totals { calls, exchanges, failures, in_plugins } = *totals;
            Event::Summary { ok, calls, exchanges, failures, in_plugins }
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
