//! The versions of the specification.

use std::fmt;
use std::str::FromStr;

use semver::Version;
use thiserror::Error;

/// A version of the [CNI specification](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md): key
/// `cniVersion`.
///
/// ```
/// use cni_types::SpecVersion;
///
/// assert_eq!("0.4.0".parse(), Ok(SpecVersion::V0_4_0));
/// assert!(SpecVersion::V0_4_0 < SpecVersion::NEWEST);
/// assert!("0.4".parse::<SpecVersion>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SpecVersion {
    /// 0.1.0: the first version.
    V0_1_0,
    /// 0.2.0: adds `cniVersion` to the configuration.
    V0_2_0,
    /// 0.3.0: adds interfaces and any number of addresses to the result, and plugin chains.
    V0_3_0,
    /// 0.3.1: names the list of addresses `ips`.
    V0_3_1,
    /// 0.4.0: adds CHECK, and `prevResult` for DEL.
    V0_4_0,
    /// 1.0.0: removes `version` from addresses.
    V1_0_0,
    /// 1.1.0: adds GC and STATUS.
    V1_1_0,
}

impl SpecVersion {
    /// All versions, in ascending order.
    pub const ALL: &'static [Self] =
        &[Self::V0_1_0, Self::V0_2_0, Self::V0_3_0, Self::V0_3_1, Self::V0_4_0, Self::V1_0_0, Self::V1_1_0];

    /// The newest version.
    pub const NEWEST: Self = Self::V1_1_0;

    /// The version of a configuration whose `cniVersion` is absent or empty: 0.1.0.
    ///
    /// The page `spec-upgrades.md` of the CNI project names 0.2.0, but the Go library uses 0.1.0. Results of both
    /// versions have the same shape.
    pub const ABSENT: Self = Self::V0_1_0;

    /// The version as text, as in `cniVersion`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V0_1_0 => "0.1.0",
            Self::V0_2_0 => "0.2.0",
            Self::V0_3_0 => "0.3.0",
            Self::V0_3_1 => "0.3.1",
            Self::V0_4_0 => "0.4.0",
            Self::V1_0_0 => "1.0.0",
            Self::V1_1_0 => "1.1.0",
        }
    }

    const fn number(self) -> Version {
        match self {
            Self::V0_1_0 => Version::new(0, 1, 0),
            Self::V0_2_0 => Version::new(0, 2, 0),
            Self::V0_3_0 => Version::new(0, 3, 0),
            Self::V0_3_1 => Version::new(0, 3, 1),
            Self::V0_4_0 => Version::new(0, 4, 0),
            Self::V1_0_0 => Version::new(1, 0, 0),
            Self::V1_1_0 => Version::new(1, 1, 0),
        }
    }
}

impl fmt::Display for SpecVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SpecVersion {
    type Err = VersionError;

    /// Parses the exact text of a known version. `1.0` and `v1.0.0` are errors.
    ///
    /// # Errors
    /// If the text is not exactly that of a known version.
    fn from_str(text: &str) -> Result<Self, VersionError> {
        let parsed = Version::parse(text).ok();
        parsed
            .and_then(|parsed| Self::ALL.iter().copied().find(|version| version.number() == parsed))
            .ok_or_else(|| VersionError::unknown(text))
    }
}

/// Why a call cannot be made in a version of the specification. A plugin reports it with
/// [code 1](crate::ErrorCode::INCOMPATIBLE_VERSION).
///
/// ```
/// use cni_types::{Command, SpecVersion, negotiate};
///
/// let error = negotiate(Command::Check, "0.3.1", SpecVersion::ALL).unwrap_err();
/// assert_eq!(error.to_string(), "config version does not allow CHECK");
/// assert_eq!(error.details(), Some(r#"config is "0.3.1", CHECK requires 0.4.0"#));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{msg}")]
pub struct VersionError {
    pub(crate) msg: String,
    pub(crate) details: Option<String>,
}

impl VersionError {
    /// The versions involved, if there is more to say than the message.
    pub fn details(&self) -> Option<&str> {
        self.details.as_deref()
    }

    fn unknown(text: &str) -> Self {
        Self { msg: format!("unknown CNI version {text:?}"), details: None }
    }
}

/// Parses a version as the Go library does to order versions: one to three numbers, which may have leading zeros. It
/// may be a version that no [`SpecVersion`] stands for.
pub(crate) fn parse_lenient(text: &str) -> Option<Version> {
    let mut numbers: Vec<&str> = text.split('.').map(without_leading_zeros).collect();
    while numbers.len() < 3 {
        numbers.push("0");
    }
    let version = Version::parse(&numbers.join(".")).ok()?;
    (version.pre.is_empty() && version.build.is_empty()).then_some(version)
}

fn without_leading_zeros(number: &str) -> &str {
    match number.trim_start_matches('0') {
        "" if !number.is_empty() => "0",
        rest => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_versions_are_in_ascending_order_and_their_text_parses_back() {
        assert!(SpecVersion::ALL.is_sorted());
        for &version in SpecVersion::ALL {
            assert_eq!(version.as_str().parse(), Ok(version));
            assert_eq!(version.number().to_string(), version.as_str());
        }
        assert_eq!(SpecVersion::ALL.last(), Some(&SpecVersion::NEWEST));
    }

    #[test]
    fn only_the_exact_text_is_a_version() {
        for text in ["", "1.0", "v1.0.0", "01.0.0", "1.0.0 ", "1.1.0-rc1", "1.1.0+x", "9.9.9", "1.1.0.0"] {
            assert!(text.parse::<SpecVersion>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_lenient_version_may_have_fewer_numbers_and_leading_zeros() {
        for (text, version) in [
            ("1", (1, 0, 0)),
            ("1.0", (1, 0, 0)),
            ("0.4.0", (0, 4, 0)),
            ("01.001.0", (1, 1, 0)),
            ("0.00", (0, 0, 0)),
        ] {
            let (major, minor, patch) = version;
            assert_eq!(parse_lenient(text), Some(Version::new(major, minor, patch)), "{text:?}");
        }
        for text in [
            "",
            ".",
            "1.",
            ".1",
            "1..0",
            "v1",
            " 1.0.0",
            "1.1.0-rc1",
            "1.1.0+x",
            "1.1.0.0",
            "1.1.0-0.1",
            "-1",
        ] {
            assert_eq!(parse_lenient(text), None, "{text:?}");
        }
    }
}
