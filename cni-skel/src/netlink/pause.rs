//! How long others are left alone before something is tried again.

use std::thread;
use std::time::{Duration, SystemTime};

/// The longest pause.
const LONGEST: Duration = Duration::from_millis(32);

/// Waits after so many tries that others spoilt. Who was disturbed once is probably not again; who is again and again
/// leaves the others more and more time, and two who disturb each other not the same time.
pub(crate) fn pause(tries: u32) {
    if let Some(doublings) = tries.checked_sub(2) {
        let most = LONGEST.min(Duration::from_millis(1) * 2_u32.saturating_pow(doublings));
        thread::sleep(most.mul_f64(fraction()));
    }
}

/// Half to all of it, as chance will have it.
fn fraction() -> f64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    0.5 + f64::from(now.subsec_nanos() % 1000) / 2000.0
}
