//! Panics as errors: a plugin that panics still answers with an error object.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::{Mutex, PoisonError};

use cni_types::ErrorCode;

use crate::{Error, Result};

/// Filled by the hook that [`record_places`] sets, and taken by [`places`].
static PLACES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Calls `step`, and turns a panic in it into an error with code 999.
pub(crate) fn catch<T>(step: impl FnOnce() -> T) -> Result<T> {
    catch_unwind(AssertUnwindSafe(step)).map_err(|payload| {
        let details = places().unwrap_or_else(|| message(&*payload).to_owned());
        // It may be a value of any kind, and one that panics when it is dropped would get out of here.
        std::mem::forget(payload);
        Error::new(ErrorCode::INTERNAL, "the plugin panicked").with_details(details)
    })
}

/// Drops a value of an author's type where a panic in that is too late to change anything.
pub(crate) fn drop_without_unwinding<T>(value: T) {
    // The hook has told of it.
    let _ = catch(|| drop(value));
}

/// Where and with what message threads panicked since the last look.
pub(crate) fn places() -> Option<String> {
    let places = std::mem::take(&mut *PLACES.lock().unwrap_or_else(PoisonError::into_inner));
    (!places.is_empty()).then(|| places.join("; "))
}

/// Makes the panic hook of this process note the place of each panic, in any thread, before it does what it did
/// before. Only the process edge calls this.
pub(crate) fn record_places() {
    let before = take_hook();
    set_hook(Box::new(move |info| {
        let place = info.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        let note = format!("{} at {place}", message(info.payload()));
        PLACES.lock().unwrap_or_else(PoisonError::into_inner).push(note);
        before(info);
    }));
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
    fn a_payload_that_is_no_text_is_an_error_all_the_same() {
        let error = catch(|| std::panic::panic_any(7_u8)).unwrap_err();
        assert_eq!(error.details().as_deref(), Some("a panic without a message"));
    }
}
