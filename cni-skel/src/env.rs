//! The environment of a call, as values.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// The environment variables of a call: the `CNI_*` ones and all others, which delegates inherit.
///
/// The specification's [parameters](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#parameters);
/// a variable that is set but empty counts as not set, because runtimes always pass all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Env(Vec<(OsString, OsString)>);

impl Env {
    /// Starts without any variable.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of a variable; none where it is not set or empty.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        let variable = self.0.iter().find(|(set, _)| set == name);
        variable.map(|(_, value)| value.as_os_str()).filter(|value| !value.is_empty())
    }

    /// Sets a variable.
    #[must_use]
    pub fn with(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.set(name.into(), value.into());
        self
    }

    /// Removes a variable.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.0.retain(|(set, _)| set != name);
        self
    }

    /// All variables, the empty ones too.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    fn set(&mut self, name: OsString, value: OsString) {
        match self.0.iter_mut().find(|(set, _)| *set == name) {
            Some(variable) => variable.1 = value,
            None => self.0.push((name, value)),
        }
    }

    /// The folders of `CNI_PATH`, in order; empty elements are left out.
    pub fn plugin_path(&self) -> Vec<PathBuf> {
        self.get("CNI_PATH")
            .map(|path| std::env::split_paths(path).filter(|folder| !folder.as_os_str().is_empty()).collect())
            .unwrap_or_default()
    }

    /// Whether `CNI_NETNS_OVERRIDE` allows the plugin's own namespace: `1` or `true` in any case.
    pub(crate) fn allows_own_netns(&self) -> bool {
        self.get("CNI_NETNS_OVERRIDE").is_some_and(|value| value == "1" || value.eq_ignore_ascii_case("true"))
    }
}

impl FromIterator<(OsString, OsString)> for Env {
    fn from_iter<I: IntoIterator<Item = (OsString, OsString)>>(variables: I) -> Self {
        let mut env = Self::new();
        variables.into_iter().for_each(|(name, value)| env.set(name, value));
        env
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
