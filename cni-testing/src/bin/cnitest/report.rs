//! Whom all is told to, and what was told so far.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::event::Event;
use crate::text;

/// Takes events and prints them, each as soon as it is told.
#[derive(Debug)]
pub(crate) struct Report {
    json: bool,
    colour: bool,
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    calls: usize,
    exchanges: usize,
    failed: Vec<String>,
    in_plugins: Duration,
}

impl Report {
    pub(crate) fn on_stdout(json: bool) -> Self {
        let wants_none = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colour = io::stdout().is_terminal() && !wants_none;
        Self { json, colour, told: Mutex::default() }
    }

    pub(crate) fn tell(&self, event: &Event) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Call(call) => {
                told.calls += 1;
                let who = [call.command.as_str(), &call.plugin].into_iter().chain(call.container.as_deref());
                let who = who.collect::<Vec<_>>().join(" ");
                told.failed.extend(call.error.as_ref().map(|error| format!("{who}: {error}")));
                told.in_plugins += call.duration;
            }
            Event::Exchange(exchange) => {
                told.exchanges += 1;
                let who = format!("{} from {} to {}", exchange.protocol, exchange.from, exchange.to);
                told.failed.extend(exchange.error.as_ref().map(|error| format!("{who}: {error}")));
            }
            Event::Failure { text } => told.failed.push(text.clone()),
            Event::Left { leaked, missing, .. } => {
                told.failed.extend(leaked.iter().map(|item| format!("left behind: {item}")));
                told.failed.extend(missing.iter().map(|item| format!("gone: {item}")));
            }
            _ => {}
        }
        let line = if self.json { json(event) } else { text::of(event, self.colour) };
        // Nobody may be listening any more; all that was made must be taken down all the same.
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

    /// Tells how it went, and whether well.
    pub(crate) fn sum_up(&self) -> bool {
        let summary = {
            let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            let Told { calls, exchanges, in_plugins, .. } = *told;
            let (failed, failures) = (told.failed.clone(), told.failed.len());
            Event::Summary { ok: failed.is_empty(), failed, calls, exchanges, failures, in_plugins }
        };
        self.tell(&summary);
        matches!(summary, Event::Summary { ok: true, .. })
    }
}

fn json(event: &Event) -> String {
    // Text and numbers: nothing that JSON has not.
    let json = serde_json::to_string(event).unwrap_or_default();
    format!("{json}\n")
}
