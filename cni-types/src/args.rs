//! Extra arguments from the runtime.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use thiserror::Error;

use crate::address::parse_ip;
use crate::name::check_id;
use crate::{MacAddr, Pod, RequestedIp};

/// The `KEY=VALUE` pairs of variable
/// [`CNI_ARGS`](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#parameters), which `;` separates.
///
/// Keys are case-sensitive. If a key occurs twice, the last value counts. A value may contain `=`.
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
    /// Parses the value of `CNI_ARGS`. An empty value has no pairs.
    ///
    /// # Errors
    /// If a part between two `;` has no `=`, or nothing before it.
    pub fn parse(text: &str) -> Result<Self, ArgsError> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let pair = |pair: &str| match pair.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
            _ => Err(ArgsError(format!("{pair:?} is not a pair KEY=VALUE"))),
        };
        text.split(';').map(pair).collect::<Result<_, _>>().map(Self)
    }

    /// Returns the value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// Returns whether plugins must ignore keys that they do not know: key `IgnoreUnknown` is `1`, or `true` in any case.
    pub fn ignore_unknown(&self) -> bool {
        self.get("IgnoreUnknown").is_some_and(|value| value == "1" || value.eq_ignore_ascii_case("true"))
    }

    /// Refuses keys that are not in `known`, unless `IgnoreUnknown` is true. The Go library does the same.
    ///
    /// All plugins of a network get the same pairs. A plugin that calls this fails if a pair is meant for another one.
    ///
    /// ```
    /// use cni_types::CniArgs;
    ///
    /// let args = CniArgs::parse("IP=10.1.2.3;TENANT=blue")?;
    /// let error = args.refuse_unknown(&["IP"]).unwrap_err();
    /// assert_eq!(error.to_string(), r#"invalid CNI_ARGS: unknown keys: "TENANT=blue""#);
    /// CniArgs::parse("IgnoreUnknown=1;TENANT=blue")?.refuse_unknown(&["IP"])?;
    /// # Ok::<(), cni_types::ArgsError>(())
    /// ```
    ///
    /// # Errors
    /// - If there is a key that is neither in `known` nor `IgnoreUnknown`, and `IgnoreUnknown` is not true.
    /// - If the value of `IgnoreUnknown` is not `1`, `0`, or in any case `true` or `false`.
    pub fn refuse_unknown(&self, known: &[&str]) -> Result<(), ArgsError> {
        if let Some(value) = self.get("IgnoreUnknown") {
            let is_boolean =
                ["1", "true", "0", "false"].iter().any(|boolean| value.eq_ignore_ascii_case(boolean));
            if !is_boolean {
                return Err(ArgsError::new("IgnoreUnknown", value, "neither true nor false"));
            }
        }
        if self.ignore_unknown() {
            return Ok(());
        }
        let is_unknown = |(key, _): &(&str, &str)| *key != "IgnoreUnknown" && !known.contains(key);
        let pair = |(key, value)| format!("{:?}", format!("{key}={value}"));
        let unknown: Vec<String> = self.iter().filter(is_unknown).map(pair).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        Err(ArgsError(format!("unknown keys: {}", unknown.join(", "))))
    }

    /// The requested hardware address: key `MAC`. Returns `None` if the key is absent or its value is empty.
    ///
    /// # Errors
    /// If the value is not a hardware address.
    pub fn mac(&self) -> Result<Option<MacAddr>, ArgsError> {
        self.parsed("MAC")
    }

    /// The requested addresses: key
    /// [`IP`](https://github.com/containernetworking/cni/blob/spec-v1.1.0/CONVENTIONS.md#cni_args), one or more with commas
    /// between them.
    ///
    /// ```
    /// let args = cni_types::CniArgs::parse("IP=10.1.2.3/24,2001:db8::3")?;
    /// assert_eq!(args.ips()?[1].address().to_string(), "2001:db8::3");
    /// # Ok::<(), cni_types::ArgsError>(())
    /// ```
    ///
    /// # Errors
    /// If an element is not an address, with or without a prefix length.
    pub fn ips(&self) -> Result<Vec<RequestedIp>, ArgsError> {
        self.list("IP", str::parse)
    }

    /// The requested gateways: key `GATEWAY`, one or more with commas between them.
    ///
    /// # Errors
    /// If an element is not an address.
    pub fn gateways(&self) -> Result<Vec<IpAddr>, ArgsError> {
        self.list("GATEWAY", |text| Ok::<_, crate::InvalidAddress>(parse_ip(text)?.to_canonical()))
    }

    /// The Kubernetes pod of the container: the keys `K8S_POD_*`. Fields whose keys are absent or empty are `None`.
    ///
    /// # Errors
    /// If a value breaks the rules of [`Pod`].
    pub fn pod(&self) -> Result<Pod, ArgsError> {
        let name = |key| {
            let Some(value) = self.non_empty(key) else { return Ok(None) };
            let checked =
                if value.len() > 253 { Err("it is longer than 253 bytes") } else { check_id(value) };
            checked.map(|()| Some(value.to_owned())).map_err(|why| ArgsError::new(key, value, why))
        };
        Ok(Pod {
            namespace: name("K8S_POD_NAMESPACE")?,
            name: name("K8S_POD_NAME")?,
            uid: name("K8S_POD_UID")?,
            infra_container_id: self.parsed("K8S_POD_INFRA_CONTAINER_ID")?,
        })
    }

    /// Returns all pairs in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    fn non_empty(&self, key: &str) -> Option<&str> {
        self.get(key).filter(|value| !value.is_empty())
    }

    fn parsed<T: FromStr<Err: fmt::Display>>(&self, key: &str) -> Result<Option<T>, ArgsError> {
        let value = self.non_empty(key);
        value.map(|value| value.parse().map_err(|why| ArgsError::new(key, value, why))).transpose()
    }

    fn list<T, E: fmt::Display>(
        &self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Vec<T>, ArgsError> {
        let Some(value) = self.non_empty(key) else { return Ok(Vec::new()) };
        // The reference plugin static accepts white space around each element.
        let parts = value.split(',').map(|part| parse(part.trim()));
        parts.map(|parsed| parsed.map_err(|why| ArgsError::new(key, value, why))).collect()
    }
}

/// The error for a value of `CNI_ARGS` that is not a list of pairs, or for an invalid pair, which it names. A plugin reports
/// it with [code 4](crate::ErrorCode::INVALID_ENVIRONMENT).
///
/// ```
/// use cni_types::CniArgs;
///
/// let error = CniArgs::parse("MAC=x")?.mac().unwrap_err();
/// assert_eq!(error.to_string(), r#"invalid CNI_ARGS: MAC=x: invalid hardware address "x""#);
/// # Ok::<(), cni_types::ArgsError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("invalid CNI_ARGS: {0}")]
pub struct ArgsError(String);

impl ArgsError {
    fn new(key: &str, value: &str, why: impl fmt::Display) -> Self {
        Self(format!("{key}={value}: {why}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_is_not_a_pair_is_named_in_the_error() {
        for (text, part) in [("a", "a"), (";", ""), ("A=1;", ""), ("=x", "=x"), ("A=1;b;C=2", "b")] {
            let error = CniArgs::parse(text).unwrap_err();
            assert_eq!(error.to_string(), format!("invalid CNI_ARGS: {part:?} is not a pair KEY=VALUE"));
        }
    }

    #[test]
    fn the_last_value_of_a_key_counts_and_may_be_empty() {
        let args = CniArgs::parse("IP=10.0.0.1;IP=").unwrap();
        assert_eq!(args.get("IP"), Some(""));
        assert_eq!(args.get("ip"), None);
        assert!(!args.ignore_unknown());
    }

    #[test]
    fn refused_pairs_are_named() {
        let refused = |text: &str| {
            let error = CniArgs::parse(text).unwrap().refuse_unknown(&["IP", "MAC"]).err();
            error.map(|error| error.to_string())
        };
        for text in
            ["", "IP=", "IP=x;MAC=y", "IgnoreUnknown=TRUE;X=1", "X=1;IgnoreUnknown=1", "IgnoreUnknown=0;IP=1"]
        {
            assert_eq!(refused(text), None, "{text}");
        }
        for (text, message) in [
            ("X=1", r#"unknown keys: "X=1""#),
            ("IP=1;ip=2;IgnoreUnknown=false;Y=", r#"unknown keys: "ip=2", "Y=""#),
            ("ignoreunknown=1", r#"unknown keys: "ignoreunknown=1""#),
            ("X=1;IgnoreUnknown=yes", "IgnoreUnknown=yes: neither true nor false"),
            ("IgnoreUnknown=", "IgnoreUnknown=: neither true nor false"),
        ] {
            assert_eq!(refused(text), Some(format!("invalid CNI_ARGS: {message}")), "{text}");
        }
    }

    #[test]
    fn addresses_are_lists_and_hardware_addresses_are_not() {
        let args =
            CniArgs::parse("IP= 10.1.2.3, ::ffff:10.1.2.4/120 ;GATEWAY=10.1.2.1 ,::1 ;MAC=02:00:00:00:00:01")
                .unwrap();
        let ips: Vec<String> = args.ips().unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(ips, ["10.1.2.3", "10.1.2.4/24"]);
        let gateways: Vec<String> = args.gateways().unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(gateways, ["10.1.2.1", "::1"]);
        assert_eq!(args.mac().unwrap().unwrap().to_string(), "02:00:00:00:00:01");
        for text in ["", "IP=;GATEWAY=;MAC=", "ip=x;gateway=x;mac=x"] {
            let args = CniArgs::parse(text).unwrap();
            assert_eq!(
                (args.ips(), args.gateways(), args.mac()),
                (Ok(vec![]), Ok(vec![]), Ok(None)),
                "{text}"
            );
        }
        for bad in ["x", ",", "10.1.2.3,", "10.1.2.3/33", " ", "010.1.2.3", "10.1.2.3 10.1.2.4"] {
            let error = CniArgs::parse(&format!("IP={bad}")).unwrap().ips().unwrap_err().to_string();
            assert!(error.starts_with(&format!("invalid CNI_ARGS: IP={bad}: ")), "{error}");
        }
        for bad in ["x", "10.1.2.1/24", "10.1.2.1,"] {
            let error =
                CniArgs::parse(&format!("GATEWAY={bad}")).unwrap().gateways().unwrap_err().to_string();
            assert!(error.starts_with(&format!("invalid CNI_ARGS: GATEWAY={bad}: ")), "{error}");
        }
        for bad in ["x", "02-00-00:00-00-01", "02:00:00:00:00:01,"] {
            let error = CniArgs::parse(&format!("MAC={bad}")).unwrap().mac().unwrap_err().to_string();
            assert!(error.starts_with(&format!("invalid CNI_ARGS: MAC={bad}: ")), "{error}");
        }
    }

    #[test]
    fn the_values_of_a_pod_can_be_part_of_a_path() {
        let infra = "0f".repeat(32);
        let text = format!(
            "K8S_POD_UID=8b5a-1;IgnoreUnknown=1;K8S_POD_INFRA_CONTAINER_ID={infra};K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web.0"
        );
        let pod = CniArgs::parse(&text).unwrap().pod().unwrap();
        assert_eq!(pod.namespace.as_deref(), Some("shop"));
        assert_eq!((pod.name.as_deref(), pod.uid.as_deref()), (Some("web.0"), Some("8b5a-1")));
        assert_eq!(pod.infra_container_id.unwrap(), infra.as_str());
        assert_eq!(CniArgs::parse("K8S_POD_NAME=;K8S_POD_UID=").unwrap().pod(), Ok(Pod::default()));
        let long = "a".repeat(254);
        for key in ["K8S_POD_NAMESPACE", "K8S_POD_NAME", "K8S_POD_UID", "K8S_POD_INFRA_CONTAINER_ID"] {
            for bad in ["../x", "a/b", "-a", "a b", ".."] {
                let error = CniArgs::parse(&format!("{key}={bad}")).unwrap().pod().unwrap_err().to_string();
                assert!(error.starts_with(&format!("invalid CNI_ARGS: {key}={bad}: ")), "{error}");
            }
        }
        assert!(CniArgs::parse(&format!("K8S_POD_NAME={long}")).unwrap().pod().is_err());
    }
}
