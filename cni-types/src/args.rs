//! The extra arguments of a runtime.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use thiserror::Error;

use crate::address::parse_ip;
use crate::name::check_id;
use crate::{MacAddr, Pod, RequestedIp};

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
            _ => Err(ArgsError(format!("{pair:?} is no pair KEY=VALUE"))),
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

    /// Refuses keys that a plugin does not know, as the Go library does, unless the runtime says `IgnoreUnknown`. Other
    /// plugins of the network get the same pairs, so a plugin that is to work beside them does not do this.
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
    /// When there is a key that is neither `IgnoreUnknown` nor in `known`, and when the value of `IgnoreUnknown` is
    /// neither `1`, `true`, `0` nor `false`, in any case.
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

    /// The hardware address asked for: key `MAC`. Nothing and an empty value ask for none.
    ///
    /// # Errors
    /// When the value is no hardware address.
    pub fn mac(&self) -> Result<Option<MacAddr>, ArgsError> {
        self.parsed("MAC")
    }

    /// The addresses asked for: key `IP`, one or more with commas between them.
    ///
    /// ```
    /// let args = cni_types::CniArgs::parse("IP=10.1.2.3/24,2001:db8::3")?;
    /// assert_eq!(args.ips()?[1].address().to_string(), "2001:db8::3");
    /// # Ok::<(), cni_types::ArgsError>(())
    /// ```
    ///
    /// # Errors
    /// When the value is no list of addresses.
    pub fn ips(&self) -> Result<Vec<RequestedIp>, ArgsError> {
        self.list("IP", str::parse)
    }

    /// The gateways asked for: key `GATEWAY`, one or more with commas between them.
    ///
    /// # Errors
    /// When the value is no list of addresses.
    pub fn gateways(&self) -> Result<Vec<IpAddr>, ArgsError> {
        self.list("GATEWAY", |text| Ok::<_, crate::InvalidAddress>(parse_ip(text)?.to_canonical()))
    }

    /// The Kubernetes pod that the container belongs to, as far as the runtime tells.
    ///
    /// # Errors
    /// When a value is not what a [`Pod`] has.
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

    /// All pairs, in order.
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
        // The reference's static lets white space be around each.
        let parts = value.split(',').map(|part| parse(part.trim()));
        parts.map(|parsed| parsed.map_err(|why| ArgsError::new(key, value, why))).collect()
    }
}

/// A value of `CNI_ARGS` that is no list of pairs, or a pair that will not do, which is then named.
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

    #[test]
    fn a_plugin_that_minds_names_the_pairs_that_it_does_not_know() {
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
    fn the_keys_of_a_pod_are_fit_to_be_part_of_a_path() {
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
