//! The end of a plugin's process: waited for, or brought about with all that it started.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
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
    let members = members(group).into_iter();
    let threads =
        members.flat_map(|process| fs::read_dir(of_process(process).join("task"))).flatten().flatten();
    threads.map(|thread| thread.path()).find_map(|thread| {
        let state = words_of(&thread.join("stat"))?.into_iter().next()?;
        let place = fs::read_to_string(thread.join("wchan")).unwrap_or_default();
        // It is a 0 where it is not known.
        let place = if place.trim_matches('0').is_empty() { String::new() } else { format!(" in {place}") };
        (state == "D").then_some(place)
    })
}

/// All processes.
pub(crate) fn processes() -> impl Iterator<Item = Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(Pid::from_raw))
}

/// The processes of a group, without those that have ended and that nobody has waited for.
pub(crate) fn members(group: u32) -> Vec<Pid> {
    let is_one = |process: &Pid| {
        // After the name, which may have anything in it: state, parent, group.
        let words = words_of(&of_process(*process).join("stat")).unwrap_or_default();
        let has_ended = matches!(words.first().map(String::as_str), None | Some("Z" | "X"));
        !has_ended && words.get(2).and_then(|word| word.parse().ok()) == Some(group)
    };
    processes().filter(is_one).collect()
}

/// Who started a process, or whom it has been given to since.
pub(crate) fn parent(process: Pid) -> Option<Pid> {
    words_of(&of_process(process).join("stat"))?.get(1)?.parse().ok().map(Pid::from_raw)
}

/// What the kernel tells of a process.
pub(crate) fn of_process(process: Pid) -> PathBuf {
    PathBuf::from(format!("/proc/{process}"))
}

fn words_of(stat: &Path) -> Option<Vec<String>> {
    let text = fs::read_to_string(stat).ok()?;
    let (_, rest) = text.rsplit_once(") ")?;
    Some(rest.split(' ').map(str::to_owned).collect())
}
