//! The pause before another try.

use std::thread;
use std::time::{Duration, SystemTime};

/// The longest pause.
const LONGEST: Duration = Duration::from_millis(32);

/// Waits before the next try after a number of tries that conflicted with other programs. There is no pause after the first
/// conflict. Later pauses double each time and are random, so that two programs in conflict do not wait equally long.
pub(crate) fn pause(tries: u32) {
    if let Some(doublings) = tries.checked_sub(2) {
        let longest = LONGEST.min(Duration::from_millis(1) * 2_u32.saturating_pow(doublings));
        thread::sleep(longest.mul_f64(random_fraction()));
    }
}

/// Returns a random number from 0.5 to 1.
fn random_fraction() -> f64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    0.5 + f64::from(now.subsec_nanos() % 1000) / 2000.0
}
