//! The trace that a call belongs to, where the runtime says so in the environment.

use std::fmt;

use crate::Env;

/// How many members a `tracestate` may have.
const MAX_STATE_MEMBERS: usize = 32;
/// How long a `baggage` may be. The recommendation promises to propagate no more.
const MAX_BAGGAGE: usize = 8192;

/// The trace that a call belongs to: variables `TRACEPARENT`, `TRACESTATE` and `BAGGAGE`, in the formats of the W3C's
/// [Trace Context](https://www.w3.org/TR/trace-context/) and [Baggage](https://www.w3.org/TR/baggage/).
///
/// What is malformed counts as absent: a trace must never be the reason why a container has no network. Delegates
/// inherit the variables unchanged, whether they are well-formed or not.
///
/// ```
/// use cni_skel::{Env, TraceContext};
///
/// let env = Env::new()
///     .with("TRACEPARENT", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
///     .with("BAGGAGE", "pod=web%20server");
/// let trace = TraceContext::from(&env);
/// let parent = trace.parent.unwrap();
/// assert_eq!(format!("{:032x}", parent.trace_id), "0af7651916cd43dd8448eb211c80319c");
/// assert!(parent.is_sampled());
/// assert_eq!(trace.baggage[0].value, "web server");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TraceContext {
    /// The span that this call is a part of: variable `TRACEPARENT`.
    pub parent: Option<TraceParent>,
    /// What each tracing system adds, key and value in order: variable `TRACESTATE`. Empty without a parent, because
    /// it means nothing then.
    pub state: Vec<(String, String)>,
    /// What the application passes along: variable `BAGGAGE`.
    pub baggage: Vec<BaggageMember>,
}

/// The span that a call is a part of. Its `Display` is the text of a `TRACEPARENT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct TraceParent {
    /// The trace's id, which is never 0.
    pub trace_id: u128,
    /// The span's id, which is never 0.
    pub parent_id: u64,
    /// The flags.
    pub flags: u8,
}

/// One value that an application passes along.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BaggageMember {
    /// Its name.
    pub key: String,
    /// Its value, with the percent-encoding undone.
    pub value: String,
    /// What is said about it, each as it was written: `ttl=3`.
    pub properties: Vec<String>,
}

impl From<&Env> for TraceContext {
    fn from(env: &Env) -> Self {
        let text = |name| env.get(name).and_then(|value| value.to_str());
        let parent = text("TRACEPARENT").and_then(TraceParent::parse);
        let state = text("TRACESTATE").filter(|_| parent.is_some()).and_then(parse_state);
        let baggage = text("BAGGAGE").map(parse_baggage);
        Self { parent, state: state.unwrap_or_default(), baggage: baggage.unwrap_or_default() }
    }
}

impl TraceParent {
    /// The span that the environment names, without a look at the rest.
    pub(crate) fn of(env: &Env) -> Option<Self> {
        Self::parse(env.get("TRACEPARENT")?.to_str()?)
    }

    /// Whether the caller records this trace.
    pub fn is_sampled(&self) -> bool {
        self.flags & 1 != 0
    }

    /// Parses `version-trace_id-parent_id-flags`. A version that is newer than 00 may go on after that.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(5, '-');
        let version = hex(parts.next()?, 2)?;
        let trace_id = hex(parts.next()?, 32)?;
        let parent_id = u64::try_from(hex(parts.next()?, 16)?).ok()?;
        let flags = u8::try_from(hex(parts.next()?, 2)?).ok()?;
        let rest = parts.next();
        let is_valid = version != 0xff && trace_id != 0 && parent_id != 0 && (version > 0 || rest.is_none());
        is_valid.then_some(Self { trace_id, parent_id, flags })
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.parent_id, self.flags)
    }
}

/// Exactly so many hexadecimal digits, in lower case.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let is_hex = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_valid = text.len() == digits && text.bytes().all(is_hex);
    u128::from_str_radix(text, 16).ok().filter(|_| is_valid)
}

/// Parses `key=value,..`. One member that will not do makes all of it worthless, as the recommendation says.
fn parse_state(text: &str) -> Option<Vec<(String, String)>> {
    let mut state: Vec<(String, String)> = Vec::new();
    for member in text.split(',').map(trim).filter(|member| !member.is_empty()) {
        let (key, value) = member.split_once('=')?;
        let is_known = state.iter().any(|(known, _)| known == key);
        if is_known || state.len() == MAX_STATE_MEMBERS || !is_state_key(key) || !is_state_value(value) {
            return None;
        }
        state.push((key.to_owned(), value.to_owned()));
    }
    Some(state)
}

fn is_state_key(key: &str) -> bool {
    let is_valid = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@');
    key.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
        && key.len() <= 256
        && key.bytes().all(is_valid)
}

fn is_state_value(value: &str) -> bool {
    let is_valid = |byte| matches!(byte, b' '..=b'~') && byte != b'=';
    (1..=256).contains(&value.len()) && value.bytes().all(is_valid)
}

/// Parses `key=value;property,..`, and leaves out the members that will not do.
fn parse_baggage(text: &str) -> Vec<BaggageMember> {
    if text.len() > MAX_BAGGAGE {
        return Vec::new();
    }
    text.split(',').filter_map(parse_member).collect()
}

fn parse_member(member: &str) -> Option<BaggageMember> {
    let mut parts = member.split(';').map(trim);
    let (key, value) = parts.next()?.split_once('=')?;
    let (key, value) = (trim(key), trim(value));
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let is_octet = |byte| matches!(byte, b'!'..=b'~') && !matches!(byte, b'"' | b'\\');
    if key.is_empty() || !key.bytes().all(is_token) || !value.bytes().all(is_octet) {
        return None;
    }
    let properties = parts.filter(|property| !property.is_empty()).map(ToOwned::to_owned).collect();
    Some(BaggageMember { key: key.to_owned(), value: percent_decode(value), properties })
}

/// Undoes percent-encoding. What is no encoded byte stays as it is, and what is no UTF-8 is replaced.
fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let digit = |at: usize| after.get(at).and_then(|&byte| char::from(byte).to_digit(16));
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.extend(u8::try_from(high * 16 + low));
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Without the optional white space of a header.
fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn trace(variables: &[(&str, &str)]) -> TraceContext {
        let env = variables.iter().fold(Env::new(), |env, (name, value)| env.with(name, value));
        TraceContext::from(&env)
    }

    #[test]
    fn a_parent_is_parsed_and_printed() {
        let parent = trace(&[("TRACEPARENT", PARENT)]).parent.unwrap();
        assert_eq!(parent.trace_id, 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c);
        assert_eq!((parent.parent_id, parent.flags), (0xb7ad_6b71_6920_3331, 1));
        assert_eq!(parent.to_string(), PARENT);
    }

    #[test]
    fn a_newer_version_may_say_more() {
        let newer = format!("cc{}-what the future will bring", &PARENT[2..]);
        assert!(trace(&[("TRACEPARENT", &newer)]).parent.is_some());
    }

    #[test]
    fn a_malformed_parent_is_none_and_takes_the_state_with_it() {
        let zeros = PARENT.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32));
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
            &zeros,
        ] {
            let trace = trace(&[("TRACEPARENT", malformed), ("TRACESTATE", "a=1")]);
            assert_eq!(trace, TraceContext::default(), "{malformed}");
        }
    }

    #[test]
    fn the_state_is_all_or_nothing() {
        let state = |text| trace(&[("TRACEPARENT", PARENT), ("TRACESTATE", text)]).state;
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(state("rojo=00f0, ,\tco@ngo=t 61"), [pair("rojo", "00f0"), pair("co@ngo", "t 61")]);
        for malformed in ["a=1,b", "A=1", "a=1,a=2", "a=", "=1", "a=b=c", "a=é", "a=1\n,b=2"] {
            assert_eq!(state(malformed), [], "{malformed}");
        }
        let many: Vec<_> = (0..33).map(|n| format!("k{n}=v")).collect();
        assert_eq!((state(&many[..32].join(",")).len(), state(&many.join(",")).len()), (32, 0));
    }

    #[test]
    fn baggage_is_decoded_and_its_malformed_members_are_left_out() {
        let baggage =
            trace(&[("BAGGAGE", "pod = web%20%C3%A9 ; ttl=3;x,b=a=b,broken,é=1,c=\"x\",d=%zz%")]).baggage;
        let found: Vec<_> = baggage.iter().map(|item| (item.key.as_str(), item.value.as_str())).collect();
        assert_eq!(found, [("pod", "web é"), ("b", "a=b"), ("d", "%zz%")]);
        assert_eq!(baggage[0].properties, ["ttl=3", "x"]);
        assert_eq!(trace(&[("BAGGAGE", &format!("a={}", "x".repeat(MAX_BAGGAGE)))]).baggage, []);
    }
}
