//! The trace id of a call.

use crate::Env;

/// Returns the trace id of variable `TRACEPARENT`, in the format of
/// [Trace Context](https://www.w3.org/TR/trace-context/#traceparent-header): `version-trace_id-parent_id-flags`.
///
/// A malformed value counts as absent, because it must not leave a container without network.
pub(crate) fn trace_id(env: &Env) -> Option<&str> {
    let text = env.get("TRACEPARENT")?.to_str()?;
    let parts: Vec<_> = text.splitn(5, '-').collect();
    let [version, trace_id, parent_id, flags, rest @ ..] = parts.as_slice() else { return None };
    let is_valid = is_hex(version, 2)
        && *version != "ff"
        && is_id(trace_id, 32)
        && is_id(parent_id, 16)
        && is_hex(flags, 2)
        // A version after 00 may have more fields.
        && (*version != "00" || rest.is_empty());
    is_valid.then_some(trace_id)
}

/// Returns whether the text is an id of this length: hexadecimal digits that are not all 0.
fn is_id(text: &str, digits: usize) -> bool {
    is_hex(text, digits) && text.bytes().any(|digit| digit != b'0')
}

/// Returns whether the text consists of this number of hexadecimal digits, in lower case.
fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn id_in(traceparent: &str) -> Option<String> {
        trace_id(&Env::new().with("TRACEPARENT", traceparent)).map(str::to_owned)
    }

    #[test]
    fn the_trace_id_is_the_second_field() {
        assert_eq!(id_in(PARENT).as_deref(), Some("0af7651916cd43dd8448eb211c80319c"));
    }

    #[test]
    fn a_newer_version_may_have_more_fields() {
        assert!(id_in(&format!("cc{}-one-more", &PARENT[2..])).is_some());
    }

    #[test]
    fn a_malformed_value_counts_as_absent() {
        for malformed in [
            "",
            "malformed",
            "00",
            &PARENT[..54],
            &PARENT[1..],
            &format!("{PARENT}-more"),
            &format!("{PARENT} "),
            &format!("ff{}", &PARENT[2..]),
            &PARENT.to_uppercase(),
            &PARENT.replace('a', "+"),
            &PARENT.replace('-', "_"),
            &PARENT.replace("b7ad6b7169203331", "0000000000000000"),
            &PARENT.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
        ] {
            assert_eq!(id_in(malformed), None, "{malformed}");
        }
    }
}
