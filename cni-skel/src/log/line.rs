//! One event as one line of text.

use std::fmt::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

/// Appends a field: ` key=value`. The value is quoted if it is empty or contains a space or a special character.
pub(crate) fn push_field(line: &mut String, key: &str, value: &str) {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'=');
    let _ = write!(line, " {key}=");
    if !value.is_empty() && value.bytes().all(is_plain) {
        line.push_str(value);
    } else {
        push_quoted(line, format_args!("{value}"));
    }
}

/// Appends text in quotes, escaped as in JSON, so that any text is on one line and ends at its quote.
pub(crate) fn push_quoted(line: &mut String, text: fmt::Arguments<'_>) {
    line.push('"');
    // Writing to a string does not fail. If an argument cannot be formatted, the rest of the message is lost.
    let _ = Escape(line).write_fmt(text);
    line.push('"');
}

/// Appends the time in the format of RFC 3339, in UTC, with microseconds.
pub(crate) fn push_time(line: &mut String, time: SystemTime) {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (seconds, micros) = (since.as_secs(), since.subsec_micros());
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let _ = write!(line, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z");
}

/// Returns year, month and day of a number of days after 1970-01-01.
///
/// The calculation uses years that begin in March, so that the leap day is their last day, and eras of 400 years, which all
/// have the same number of days.
fn civil(days: u64) -> (u64, u64, u64) {
    // The number of days from 0000-03-01, where an era begins, to 1970-01-01.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // The five months from March and the five from August have 153 days each.
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// Escapes what is written through it.
struct Escape<'a>(&'a mut String);

impl Write for Escape<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for char in text.chars() {
            match char {
                '"' => self.0.push_str("\\\""),
                '\\' => self.0.push_str("\\\\"),
                '\n' => self.0.push_str("\\n"),
                '\r' => self.0.push_str("\\r"),
                '\t' => self.0.push_str("\\t"),
                // Some programs also break lines at these separators.
                '\u{2028}' | '\u{2029}' => write!(self.0, "\\u{:04x}", u32::from(char))?,
                control if control.is_control() => write!(self.0, "\\u{:04x}", u32::from(control))?,
                other => self.0.push(other),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn time(seconds: u64, micros: u32) -> String {
        let mut line = String::new();
        push_time(&mut line, UNIX_EPOCH + Duration::new(seconds, micros * 1000));
        line
    }

    #[test]
    fn times_follow_the_calendar() {
        assert_eq!(time(0, 0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(time(951_782_399, 999_999), "2000-02-28T23:59:59.999999Z");
        assert_eq!(time(951_782_400, 0), "2000-02-29T00:00:00.000000Z");
        assert_eq!(time(951_868_800, 0), "2000-03-01T00:00:00.000000Z");
        assert_eq!(time(1_709_210_096, 7), "2024-02-29T12:34:56.000007Z");
        assert_eq!(time(1_767_225_599, 0), "2025-12-31T23:59:59.000000Z");
        assert_eq!(time(4_107_542_400, 0), "2100-03-01T00:00:00.000000Z");
    }

    #[test]
    fn each_day_occurs_exactly_once() {
        let mut before = civil(0);
        for day in 1..200_000 {
            let (year, month, date) = civil(day);
            let follows = match before {
                (y, m, d) if date == d + 1 => (y, m) == (year, month),
                (y, m, _) if month == m + 1 => date == 1 && y == year,
                (y, m, d) => (m, d, month, date, year) == (12, 31, 1, 1, y + 1),
            };
            assert!(follows, "{before:?} is followed by {:?}", (year, month, date));
            before = (year, month, date);
        }
    }

    #[test]
    fn any_text_is_one_line_and_valid_json() {
        let hostile = "a\"b\\c\nd\re\tf\u{0}\u{1b}[31m\u{85}\u{2028}\u{2029}\u{7f}é";
        let mut line = String::new();
        push_quoted(&mut line, format_args!("{hostile}"));
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), hostile);
        assert!(!line.chars().any(|char| char.is_control() || "\u{2028}\u{2029}".contains(char)), "{line}");
    }

    #[test]
    fn a_field_is_quoted_only_if_necessary() {
        let field = |value| {
            let mut line = String::new();
            push_field(&mut line, "container", value);
            line
        };
        assert_eq!(field("a.b-c_1"), " container=a.b-c_1");
        assert_eq!(field("a b=\"c\""), r#" container="a b=\"c\"""#);
        assert_eq!(field(""), r#" container="""#);
        assert_eq!(field("x\n"), r#" container="x\n""#);
    }
}
