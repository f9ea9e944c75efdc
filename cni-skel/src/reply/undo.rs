//! The steps that undo a failed ADD.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::reply::panic::catch;
use crate::{Errors, Log, Result};

type Action = Box<dyn FnOnce() -> Result<()> + Send>;

/// The undo list of one ADD. The handler adds steps, and the skeleton runs them in reverse order, each at most once.
#[derive(Default)]
pub(crate) struct UndoList {
    steps: Mutex<Steps>,
    log: Log,
}

#[derive(Default)]
struct Steps {
    list: Vec<Step>,
    /// The number of the last step that was added.
    last_number: usize,
}

struct Step {
    number: usize,
    what: String,
    action: Action,
}

impl UndoList {
    pub(crate) fn new(log: Log) -> Self {
        Self { steps: Mutex::default(), log }
    }

    /// Adds a step. `what` completes the message "failed to ..". Returns a number for [`withdraw`](Self::withdraw).
    pub(crate) fn push(&self, what: String, action: Action) -> usize {
        let mut steps = self.steps();
        steps.last_number += 1;
        let number = steps.last_number;
        steps.list.push(Step { number, what, action });
        number
    }

    /// Removes a step that is not needed any more.
    pub(crate) fn withdraw(&self, number: usize) {
        let withdrawn = {
            let mut steps = self.steps();
            let at = steps.list.iter().position(|step| step.number == number);
            at.map(|at| steps.list.remove(at))
        };
        // The values in a step may do anything when they are dropped, so the lock must be free.
        drop(withdrawn);
    }

    /// Runs all steps, the last one first. It continues after a step that fails or panics.
    pub(crate) fn run(&self) -> Result<()> {
        let mut errors = Errors::new();
        // The lock is free while a step runs, so a step can add another.
        while let Some(Step { what, action, .. }) = self.pop() {
            crate::debug!(self.log, "undo: {what}");
            if let Err(error) = catch(action).flatten() {
                crate::error!(self.log, "undo: failed to {what}: {error}");
                errors.push(error.context(format!("failed to {what}")));
            }
        }
        errors.finish()
    }

    fn pop(&self) -> Option<Step> {
        self.steps().list.pop()
    }

    fn steps(&self) -> MutexGuard<'_, Steps> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for UndoList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.steps().list.iter().map(|step| &step.what)).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cni_types::ErrorCode;

    use super::*;
    use crate::Error;

    #[test]
    fn steps_run_in_reverse_order_and_only_once() {
        let list = UndoList::default();
        let seen = Arc::new(Mutex::new(Vec::new()));
        for n in 1..=3 {
            let seen = Arc::clone(&seen);
            let undo = move || {
                seen.lock().unwrap().push(n);
                Ok(())
            };
            list.push(format!("undo {n}"), Box::new(undo));
        }
        list.run().unwrap();
        list.run().unwrap();
        assert_eq!(*seen.lock().unwrap(), [3, 2, 1]);
    }

    #[test]
    fn a_withdrawn_step_does_not_run() {
        let list = UndoList::default();
        let fails = || Err(Error::new(ErrorCode::INTERNAL, "on purpose"));
        let numbers = ["first", "second"].map(|name| list.push(name.into(), Box::new(fails)));
        list.withdraw(numbers[0]);
        list.withdraw(numbers[0]);
        assert_eq!(list.run().unwrap_err().msg(), "failed to second");
    }

    #[test]
    fn a_failing_and_a_panicking_step_do_not_stop_the_others() {
        let list = UndoList::default();
        let seen = Arc::new(Mutex::new(false));
        let first = Arc::clone(&seen);
        let mark = move || {
            *first.lock().unwrap() = true;
            Ok(())
        };
        list.push("mark".into(), Box::new(mark));
        list.push("panic".into(), Box::new(|| panic!("second panic")));
        list.push("fail".into(), Box::new(|| Err(Error::new(ErrorCode::IO_FAILURE, "disk full"))));
        let error = list.run().unwrap_err();
        assert_eq!(error.msg(), "failed to fail; failed to panic");
        assert!(error.details().unwrap().contains("disk full"));
        assert!(error.details().unwrap().contains("second panic"));
        assert!(*seen.lock().unwrap());
    }
}
