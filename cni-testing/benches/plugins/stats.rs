//! Statistics of measured times.

use std::time::Duration;

/// The times of repeated runs, in ascending order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn push(&mut self, time: Duration) {
        let at = self.0.partition_point(|before| *before <= time);
        self.0.insert(at, time);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the median, or `None` if there are no times.
    pub(crate) fn median(&self) -> Option<Duration> {
        let middle = self.0.len() / 2;
        let upper = *self.0.get(middle)?;
        if self.0.len() % 2 == 1 {
            return Some(upper);
        }
        Some((self.0[middle - 1] + upper) / 2)
    }

    /// Returns the shortest time, which other work on the machine has disturbed least.
    pub(crate) fn least(&self) -> Option<Duration> {
        self.0.first().copied()
    }

    /// Returns the 90th percentile: nine in ten times do not exceed it.
    pub(crate) fn p90(&self) -> Option<Duration> {
        let rank = (self.0.len() * 9).div_ceil(10);
        self.0.get(rank.checked_sub(1)?).copied()
    }
}

/// Returns the ratio of two times, or `None` if the second is zero.
pub(crate) fn ratio(time: Duration, of: Duration) -> Option<f64> {
    (!of.is_zero()).then(|| time.as_secs_f64() / of.as_secs_f64())
}

/// Formats a number with its digits in groups of three.
pub(crate) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(millis: &[u64]) -> Times {
        let mut times = Times::default();
        millis.iter().for_each(|millis| times.push(Duration::from_millis(*millis)));
        times
    }

    #[test]
    fn the_median_does_not_depend_on_the_order() {
        assert_eq!(times(&[]).median(), None);
        assert_eq!(times(&[5]).median(), Some(Duration::from_millis(5)));
        assert_eq!(times(&[9, 1, 2]).median(), Some(Duration::from_millis(2)));
        assert_eq!(times(&[9, 1, 2, 4]).median(), Some(Duration::from_millis(3)));
    }

    #[test]
    fn the_least_is_the_shortest() {
        assert_eq!(times(&[]).least(), None);
        assert_eq!(times(&[3, 1, 2]).least(), Some(Duration::from_millis(1)));
    }

    #[test]
    fn nine_in_ten_are_within_p90() {
        assert_eq!(times(&[]).p90(), None);
        assert_eq!(times(&[7]).p90(), Some(Duration::from_millis(7)));
        assert_eq!(times(&[10, 9, 8, 7, 6, 5, 4, 3, 2, 1]).p90(), Some(Duration::from_millis(9)));
        assert_eq!(times(&[1, 2, 3, 4, 5]).p90(), Some(Duration::from_millis(5)));
    }

    #[test]
    fn there_is_no_ratio_to_zero() {
        let second = Duration::from_secs(1);
        assert_eq!(ratio(second, Duration::ZERO), None);
        assert_eq!(ratio(second, second * 4), Some(0.25));
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
    }
}
