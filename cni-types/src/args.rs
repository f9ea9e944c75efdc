//! The extra arguments of a runtime.

use thiserror::Error;

/// The pairs of variable [`CNI_ARGS`](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#parameters),
/// `K=V;K=V`.
///
/// A value may contain `=`. Keys are case-sensitive; of a key that is given twice the last value counts.
///
/// ```
/// use cni_types::CniArgs;
///
/// let args = CniArgs::parse("IgnoreUnknown=1;K8S_POD_NAME=web;TOKEN=a=b")?;
/// assert_eq!(args.get("K8S_POD_NAME"), Some("web"));
/// assert_eq!(args.get("TOKEN"), Some("a=b"));
/// assert!(args.ignore_unknown());
/// assert!(CniArgs::parse("IP").is_err());
/// # Ok::<(), cni_types::ArgsError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CniArgs(Vec<(String, String)>);

impl CniArgs {
    /// Parses the value of `CNI_ARGS`; an empty one has no pairs.
    ///
    /// # Errors
    /// When there is something between two `;` that is not a key, `=` and a value.
    pub fn parse(text: &str) -> Result<Self, ArgsError> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let pair = |pair: &str| match pair.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
            _ => Err(ArgsError(pair.to_owned())),
        };
        text.split(';').map(pair).collect::<Result<_, _>>().map(Self)
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// Whether the runtime asks plugins not to mind keys that they do not know: `IgnoreUnknown` is `1` or `true`.
    pub fn ignore_unknown(&self) -> bool {
        self.get("IgnoreUnknown").is_some_and(|value| value == "1" || value.eq_ignore_ascii_case("true"))
    }

    /// All pairs, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

/// A value of `CNI_ARGS` that is no list of pairs.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("invalid CNI_ARGS: {0:?} is no pair KEY=VALUE")]
pub struct ArgsError(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_pair_is_named() {
        for (text, part) in [("a", "a"), (";", ""), ("A=1;", ""), ("=x", "=x"), ("A=1;b;C=2", "b")] {
            let error = CniArgs::parse(text).unwrap_err();
            assert_eq!(error.to_string(), format!("invalid CNI_ARGS: {part:?} is no pair KEY=VALUE"));
        }
    }

    #[test]
    fn the_last_value_of_a_key_counts_and_may_be_empty() {
        let args = CniArgs::parse("IP=10.0.0.1;IP=").unwrap();
        assert_eq!(args.get("IP"), Some(""));
        assert_eq!(args.get("ip"), None);
        assert!(!args.ignore_unknown());
    }
}
