//! Panics as errors: a plugin that panics still replies with an error object.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use cni_types::ErrorCode;

use crate::{Error, Result};

/// The panics that a call reports.
#[derive(Default)]
struct Panics {
    /// The messages and places of the panics on the call's thread.
    notes: Vec<String>,
    /// Whether the call also reports panics on threads that have no call, because it is the call of the process.
    with_other_threads: bool,
}

thread_local! {
    /// Those of the innermost call on this thread.
    static CALL: RefCell<Option<Panics>> = const { RefCell::new(None) };
}

/// The messages and places of panics on threads that have no call. A handler started them.
static OTHER_THREADS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Calls `step`, and turns a panic in it into an error with code 999.
pub(crate) fn catch<T>(step: impl FnOnce() -> T) -> Result<T> {
    catch_unwind(AssertUnwindSafe(step)).map_err(|payload| {
        let details = take_notes().unwrap_or_else(|| message(&*payload).to_owned());
        // A payload can be of any type. One that panics when it is dropped would unwind through this function.
        std::mem::forget(payload);
        Error::new(ErrorCode::INTERNAL, "the plugin panicked").with_details(details)
    })
}

/// Drops a value of an author's type. A panic in its `drop` is ignored, because it is too late to report it.
pub(crate) fn drop_without_unwinding<T>(value: T) {
    // The hook has printed the panic.
    let _ = catch(|| drop(value));
}

/// Takes the messages and places of the panics that the current call reports, those since it was last asked.
pub(crate) fn take_notes() -> Option<String> {
    let notes = CALL.with_borrow_mut(|call| {
        let call = call.as_mut()?;
        // A panic on another thread is often the reason for one on the call's thread.
        let mut notes =
            if call.with_other_threads { std::mem::take(&mut *other_threads()) } else { Vec::new() };
        notes.append(&mut call.notes);
        Some(notes)
    });
    notes.filter(|notes| !notes.is_empty()).map(|notes| notes.join("; "))
}

/// Runs a call that reports the panics on its own thread only. The call that it is nested in, if any, does not report them.
pub(crate) fn isolate<T>(call: impl FnOnce() -> T) -> T {
    let _outer = Outer(CALL.replace(Some(Panics::default())));
    call()
}

/// The panics of the outer call. Dropping it restores them.
struct Outer(Option<Panics>);

impl Drop for Outer {
    fn drop(&mut self) {
        CALL.set(self.0.take());
    }
}

/// Makes the current call on this thread the call of the process, and extends the panic hook of the process to note each panic.
/// Only the process edge calls this.
pub(crate) fn note_panics_of_process() {
    static HOOK: Once = Once::new();
    CALL.set(Some(Panics { with_other_threads: true, ..Panics::default() }));
    HOOK.call_once(|| {
        let previous_hook = take_hook();
        set_hook(Box::new(move |info| {
            let place = info.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
            note(format!("{} at {place}", message(info.payload())));
            previous_hook(info);
        }));
    });
}

fn note(note: String) {
    let mut note = Some(note);
    // A thread that is ending has no thread-local values any more.
    let _ = CALL.try_with(|call| {
        if let Some(call) = &mut *call.borrow_mut() {
            call.notes.extend(note.take());
        }
    });
    if note.is_some() {
        other_threads().extend(note);
    }
}

fn other_threads() -> MutexGuard<'static, Vec<String>> {
    OTHER_THREADS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn message(payload: &dyn Any) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_internal_error_with_its_message() {
        let error = catch(|| panic!("index {} is out of range", 7)).unwrap_err();
        assert_eq!((error.code(), error.msg()), (ErrorCode::INTERNAL, "the plugin panicked"));
        assert_eq!(error.details().as_deref(), Some("index 7 is out of range"));
    }

    #[test]
    fn a_payload_that_is_not_text_becomes_an_error_too() {
        let error = catch(|| std::panic::panic_any(7_u8)).unwrap_err();
        assert_eq!(error.details().as_deref(), Some("a panic without a message"));
    }
}
