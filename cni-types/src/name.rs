//! The names of the protocol, as types whose values are always valid.

use thiserror::Error;

/// The length limit of the kernel for interface names, in bytes.
const MAX_IFNAME: usize = 15;

/// The error for text that is not a valid name of its kind.
///
/// ```
/// use cni_types::IfName;
///
/// let error = IfName::try_from("eth 0").unwrap_err();
/// assert_eq!(error.to_string(), r#"invalid interface name "eth 0": it contains white space"#);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("invalid {kind} {value:?}: {why}")]
pub struct InvalidName {
    pub(crate) kind: &'static str,
    pub(crate) value: String,
    pub(crate) why: &'static str,
}

/// Defines a newtype over text with a check, and its conversions from and to text.
macro_rules! name {
    ($(#[$docs:meta])* $name:ident, $kind:literal, $check:path) => {
        $(#[$docs])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Returns the name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::InvalidName;

            fn try_from(value: String) -> Result<Self, $crate::InvalidName> {
                match $check(&value) {
                    Ok(()) => Ok(Self(value)),
                    Err(why) => Err($crate::InvalidName { kind: $kind, value, why }),
                }
            }
        }

        impl TryFrom<&str> for $name {
            type Error = $crate::InvalidName;

            fn try_from(value: &str) -> Result<Self, $crate::InvalidName> {
                Self::try_from(value.to_owned())
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::InvalidName;

            fn from_str(value: &str) -> Result<Self, $crate::InvalidName> {
                Self::try_from(value)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl From<&$name> for String {
            fn from(name: &$name) -> Self {
                name.0.clone()
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, text: &str) -> bool {
                self.0 == text
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, text: &&str) -> bool {
                self.0 == *text
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::try_from(<String as ::serde::Deserialize>::deserialize(deserializer)?).map_err(::serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use name;

name! {
    /// The id of a container: variable
    /// [`CNI_CONTAINERID`](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#parameters).
    ///
    /// It starts with an ASCII letter or digit. The other characters are ASCII letters, digits, `_`, `.` and `-`.
    ///
    /// ```
    /// use cni_types::ContainerId;
    ///
    /// assert_eq!(ContainerId::try_from("web-0")?, "web-0");
    /// assert!(ContainerId::try_from("../web").is_err());
    /// # Ok::<(), cni_types::InvalidName>(())
    /// ```
    ContainerId, "container id", check_id
}

name! {
    /// The name of a network: key
    /// [`name`](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#configuration-format).
    ///
    /// It starts with an ASCII letter or digit. The other characters are ASCII letters, digits, `_`, `.` and `-`.
    ///
    /// ```
    /// use cni_types::NetworkName;
    ///
    /// assert_eq!(NetworkName::try_from("lan")?, "lan");
    /// assert!(NetworkName::try_from("my lan").is_err());
    /// # Ok::<(), cni_types::InvalidName>(())
    /// ```
    NetworkName, "network name", check_id
}

name! {
    /// The name of an interface in a container: variable
    /// [`CNI_IFNAME`](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#parameters).
    ///
    /// The rules are those of the kernel: 1 to 15 bytes without `/`, `:`, `%` and white space, and not `.` or `..`. The
    /// kernel replaces `%d` in the name of a new interface by a number and refuses any other `%`, so no interface has a
    /// name with `%`.
    ///
    /// ```
    /// use cni_types::IfName;
    ///
    /// assert_eq!(IfName::try_from("eth0")?, "eth0");
    /// assert!(IfName::try_from("eth%d").is_err());
    /// # Ok::<(), cni_types::InvalidName>(())
    /// ```
    IfName, "interface name", check_ifname
}

name! {
    /// The name of a plugin, which is the file name of its program: key
    /// [`type`](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#plugin-configuration-objects).
    ///
    /// It is not empty, `.` or `..`, and contains no path separator, so it cannot leave the folders of `CNI_PATH`.
    ///
    /// ```
    /// use cni_types::PluginName;
    ///
    /// assert_eq!(PluginName::try_from("host-local")?, "host-local");
    /// assert!(PluginName::try_from("../sh").is_err());
    /// # Ok::<(), cni_types::InvalidName>(())
    /// ```
    PluginName, "plugin name", check_plugin
}

pub(crate) fn check_id(value: &str) -> Result<(), &'static str> {
    let mut bytes = value.bytes();
    match bytes.next() {
        None => return Err("it is empty"),
        Some(first) if !first.is_ascii_alphanumeric() => {
            return Err("it does not start with a letter or digit");
        }
        Some(_) => {}
    }
    if bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)) {
        Ok(())
    } else {
        Err("it contains a character other than letters, digits, '_', '.' and '-'")
    }
}

fn check_ifname(value: &str) -> Result<(), &'static str> {
    match value {
        "" => Err("it is empty"),
        "." | ".." => Err("it is . or .."),
        _ if value.len() > MAX_IFNAME => Err("it is longer than 15 bytes"),
        _ if value.contains(['/', ':', '\0']) => Err("it contains /, : or a null byte"),
        _ if value.contains(char::is_whitespace) => Err("it contains white space"),
        _ if value.contains('%') => Err("it contains %, which the kernel refuses or replaces"),
        _ => Ok(()),
    }
}

fn check_plugin(value: &str) -> Result<(), &'static str> {
    match value {
        "" => Err("it is empty"),
        "." | ".." => Err("it is . or .."),
        _ if value.contains(['/', '\\', '\0']) => Err("it contains a path separator or a null byte"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn container_ids_and_network_names_follow_the_specification() {
        let hex = "0123456789abcdef".repeat(4);
        for good in ["a", "A1", "a_b", "a.b", "a-b", "0", hex.as_str()] {
            assert!(ContainerId::try_from(good).is_ok() && NetworkName::try_from(good).is_ok(), "{good:?}");
        }
        for bad in ["", "-a", "_a", ".a", "a b", "a/b", "a\n", "é", "../x", "a\0"] {
            assert!(ContainerId::try_from(bad).is_err() && NetworkName::try_from(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn interface_names_follow_the_kernel() {
        for good in ["e", "eth0", "123456789012345", "é", "eth0.100"] {
            assert!(IfName::try_from(good).is_ok(), "{good:?}");
        }
        for bad in [
            "",
            ".",
            "..",
            "1234567890123456",
            "a/b",
            "a:b",
            "a b",
            "a\tb",
            "a\u{a0}b",
            "ééééééééé",
            "eth%d",
            "%",
            "a%%d",
        ] {
            assert!(IfName::try_from(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_plugin_name_cannot_leave_its_folder() {
        assert!(PluginName::try_from("host-local").is_ok());
        for bad in ["", ".", "..", "../sh", "a/b", "/bin/sh", "a\0"] {
            assert!(PluginName::try_from(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_name_converts_into_text_and_compares_with_it() {
        fn length(text: impl AsRef<str>) -> usize {
            text.as_ref().len()
        }
        fn owned(text: impl Into<String>) -> String {
            text.into()
        }
        let name = IfName::try_from("eth0").unwrap();
        assert!(name == "eth0" && *name.as_str() == *"eth0" && &name == "eth0");
        assert_eq!((length(&name), owned(&name), owned(name)), (4, "eth0".to_owned(), "eth0".to_owned()));
    }

    #[test]
    fn an_invalid_name_says_what_it_is_and_why() {
        let error = ContainerId::try_from("-a").unwrap_err();
        assert_eq!(
            error.to_string(),
            "invalid container id \"-a\": it does not start with a letter or digit"
        );
    }
}
