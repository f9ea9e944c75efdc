//! The version of the specification that a call is made in.

use crate::{Command, SpecVersion, VersionError};

/// Selects the version that a call is made in: exactly the one that the configuration names
/// ([VERSION](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#version-probe-plugin-version-support)).
///
/// ```
/// use cni_types::{Command, SpecVersion, negotiate};
///
/// let version = negotiate(Command::Check, "0.4.0", SpecVersion::ALL);
/// assert_eq!(version, Ok(SpecVersion::V0_4_0));
/// assert!(negotiate(Command::Check, "0.3.1", SpecVersion::ALL).is_err());
/// assert!(negotiate(Command::Add, "1.0", SpecVersion::ALL).is_err());
/// ```
///
/// # Errors
/// - If the plugin does not support the version.
/// - If the command was added in a later version.
pub fn negotiate(
    command: Command,
    config_version: &str,
    supported: &[SpecVersion],
) -> Result<SpecVersion, VersionError> {
    let named = config_version.parse().ok().filter(|version| supported.contains(version));
    let Some(version) = named else {
        let list: Vec<_> = supported.iter().map(|version| format!("{:?}", version.as_str())).collect();
        let details = format!("config is {config_version:?}, plugin supports [{}]", list.join(" "));
        return Err(VersionError { msg: "incompatible CNI versions".to_owned(), details: Some(details) });
    };
    if version < command.since() {
        let details = format!("config is {config_version:?}, {command} requires {}", command.since());
        let msg = format!("config version does not allow {command}");
        return Err(VersionError { msg, details: Some(details) });
    }
    Ok(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unsupported_version_names_both_sides() {
        let supported = [SpecVersion::V0_1_0, SpecVersion::V0_2_0];
        let error = negotiate(Command::Add, "1.0", &supported).unwrap_err();
        assert_eq!(error.to_string(), "incompatible CNI versions");
        assert_eq!(error.details(), Some(r#"config is "1.0", plugin supports ["0.1.0" "0.2.0"]"#));
    }

    #[test]
    fn a_command_requires_the_version_that_added_it() {
        let refused = |command, version| negotiate(command, version, SpecVersion::ALL).is_err();
        assert!(refused(Command::Check, "0.3.1") && !refused(Command::Check, "0.4.0"));
        assert!(refused(Command::Gc, "1.0.0") && !refused(Command::Gc, "1.1.0"));
        assert!(refused(Command::Status, "1.0.0") && !refused(Command::Status, "1.1.0"));
        assert!(!refused(Command::Add, "0.1.0") && !refused(Command::Del, "0.1.0"));
    }
}
