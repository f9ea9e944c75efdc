//! The end of a plugin's process: waited for, or brought about with all that it started.

use std::fs;
use std::io;
use std::process::{Child, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// Waits until the child ends, and kills its process group when it has not within the deadline.
///
/// # Errors
/// `TimedOut` when it did not end in time; `ResourceBusy` when the kernel kept it from it.
pub(crate) fn wait(child: &mut Child, deadline: Duration) -> io::Result<ExitStatus> {
    let until = Instant::now() + deadline;
    let mut pause = Duration::from_micros(100);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() > until {
            let late = late(child, deadline);
            signal_group(child, Signal::SIGKILL);
            child.wait()?;
            return Err(late);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(5));
    }
}

/// Sends a signal to the child and all that it started.
pub(crate) fn signal_group(child: &Child, signal: Signal) {
    if let Ok(group) = i32::try_from(child.id()) {
        let _ = killpg(Pid::from_raw(group), signal);
    }
}

fn late(child: &Child, deadline: Duration) -> io::Error {
    match held_in(child.id()) {
        None => io::Error::new(io::ErrorKind::TimedOut, format!("it did not end within {deadline:?}")),
        Some(place) => io::Error::new(
            io::ErrorKind::ResourceBusy,
            format!(
                "it did not end within {deadline:?}, because the kernel keeps it waiting{place}; is the machine busy?"
            ),
        ),
    }
}

/// Whether the kernel keeps a process of this group waiting, in a state where not even a signal helps, and where that is.
///
/// All network namespaces share one lock. Who holds it waits for the end of a grace period, and while other programs take
/// all processors the kernel's own thread that ends it may get none, for minutes. No plugin can help that.
fn held_in(group: u32) -> Option<String> {
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let members = processes.filter(|process| {
        // After the name, which may have anything in it: state, parent, group.
        let words = words_of(&process.path().join("stat"));
        words.and_then(|words| words.get(2)?.parse().ok()) == Some(group)
    });
    let threads = members.flat_map(|process| fs::read_dir(process.path().join("task"))).flatten().flatten();
    threads.map(|thread| thread.path()).find_map(|thread| {
        let state = words_of(&thread.join("stat"))?.into_iter().next()?;
        let place = fs::read_to_string(thread.join("wchan")).unwrap_or_default();
        // It is a 0 where it is not known.
        let place = if place.trim_matches('0').is_empty() { String::new() } else { format!(" in {place}") };
        (state == "D").then_some(place)
    })
}

fn words_of(stat: &std::path::Path) -> Option<Vec<String>> {
    let text = fs::read_to_string(stat).ok()?;
    let (_, rest) = text.rsplit_once(") ")?;
    Some(rest.split(' ').map(str::to_owned).collect())
}
