//! The environment variables of a call.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// The environment variables of a call: the
/// [parameters](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#parameters) of the specification, whose names
/// begin with `CNI_`, and all others. Delegates inherit them.
///
/// A variable that is set but empty counts as not set, because runtimes set all of them in every call. If the environment has a
/// variable twice, only the last value is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Env(BTreeMap<OsString, OsString>);

impl Env {
    /// Creates an environment without variables.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the value of a variable, or `None` if it is empty or not set.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// Sets a variable.
    #[must_use]
    pub fn with(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.0.insert(name.into(), value.into());
        self
    }

    /// Removes a variable.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.0.remove(OsStr::new(name));
        self
    }

    /// Iterates over all variables, including empty ones.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// Returns the folders of `CNI_PATH`, in order, without empty elements.
    pub fn plugin_path(&self) -> Vec<PathBuf> {
        self.get("CNI_PATH")
            .map(|path| std::env::split_paths(path).filter(|folder| !folder.as_os_str().is_empty()).collect())
            .unwrap_or_default()
    }

    /// Returns whether `CNI_NETNS_OVERRIDE` is `1` or `true`, in any case, which allows `CNI_NETNS` to be the plugin's own
    /// namespace.
    pub(crate) fn allows_own_netns(&self) -> bool {
        self.get("CNI_NETNS_OVERRIDE").is_some_and(|value| value == "1" || value.eq_ignore_ascii_case("true"))
    }
}

impl FromIterator<(OsString, OsString)> for Env {
    fn from_iter<I: IntoIterator<Item = (OsString, OsString)>>(variables: I) -> Self {
        let mut env = BTreeMap::new();
        env.extend(variables);
        Self(env)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_variable_that_is_set_but_empty_is_not_set() {
        let env = Env::new().with("CNI_NETNS", "");
        assert_eq!(env.get("CNI_NETNS"), None);
        assert_eq!(env.iter().count(), 1);
    }

    #[test]
    fn the_last_value_of_a_duplicate_variable_is_kept() {
        let variables = [("A", "1"), ("B", ""), ("A", "2")];
        let env: Env = variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        assert_eq!((env.get("A"), env.iter().count()), (Some(OsStr::new("2")), 2));
    }

    #[test]
    fn empty_elements_of_the_path_are_left_out() {
        let env = Env::new().with("CNI_PATH", ":/a::b:");
        assert_eq!(env.plugin_path(), [Path::new("/a"), Path::new("b")]);
    }

    #[test]
    fn only_one_and_true_override_the_namespace_check() {
        let allows = |value: &str| Env::new().with("CNI_NETNS_OVERRIDE", value).allows_own_netns();
        assert!(allows("1") && allows("TRUE") && allows("true"));
        assert!(!allows("yes") && !allows("0") && !allows(""));
    }
}
