//! Error codes.

use std::fmt;

/// The code of an error: key `code` of the
/// [error object](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#error).
///
/// Codes below 100 are the specification's; a plugin's own start there.
///
/// ```
/// use cni_types::ErrorCode;
///
/// const LICENCE_EXPIRED: ErrorCode = ErrorCode::plugin(120);
/// assert_eq!(LICENCE_EXPIRED.get(), 120);
/// ```
///
/// A code that the specification reserves does not compile as a constant:
///
/// ```compile_fail
/// # use cni_types::ErrorCode;
/// const RESERVED: ErrorCode = ErrorCode::plugin(7);
/// # let _ = RESERVED;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode(u32);

impl ErrorCode {
    /// 0: no code was given.
    pub const UNKNOWN: Self = Self(0);
    /// 1: incompatible CNI version.
    pub const INCOMPATIBLE_VERSION: Self = Self(1);
    /// 2: unsupported field in the network configuration; the message contains key and value.
    pub const UNSUPPORTED_FIELD: Self = Self(2);
    /// 3: the container is unknown or does not exist; the runtime need not clean up.
    pub const UNKNOWN_CONTAINER: Self = Self(3);
    /// 4: invalid necessary environment variables; the message contains their names.
    pub const INVALID_ENVIRONMENT: Self = Self(4);
    /// 5: I/O failure, for example to read the configuration from stdin.
    pub const IO_FAILURE: Self = Self(5);
    /// 6: failed to decode content, for example the network configuration.
    pub const DECODING_FAILURE: Self = Self(6);
    /// 7: invalid network configuration: it decodes, but a value does not do.
    pub const INVALID_NETWORK_CONFIG: Self = Self(7);
    /// 8: not in the specification; the Go library's code for a namespace that is the plugin's own.
    pub const INVALID_NETNS: Self = Self(8);
    /// 11: a condition that should clear up; the runtime should try again later.
    pub const TRY_AGAIN_LATER: Self = Self(11);
    /// 50: the plugin is not available, it cannot serve ADD: for STATUS.
    pub const NOT_AVAILABLE: Self = Self(50);
    /// 51: the plugin is not available, and existing containers may have limited connectivity: for STATUS.
    pub const LIMITED_CONNECTIVITY: Self = Self(51);
    /// 999: any failure that no other code is for, by the convention of the field.
    pub const INTERNAL: Self = Self(999);

    /// Takes any code, as it comes from another plugin.
    pub const fn new(code: u32) -> Self {
        Self(code)
    }

    /// A code of the plugin's own, 100 or more. Call it in a constant: a code below 100 then does not compile.
    ///
    /// # Panics
    /// If the code is below 100.
    #[track_caller]
    pub const fn plugin(code: u32) -> Self {
        assert!(code >= 100, "codes below 100 are reserved for the specification");
        Self(code)
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_those_of_the_specification() {
        let codes = [
            ErrorCode::INCOMPATIBLE_VERSION,
            ErrorCode::UNSUPPORTED_FIELD,
            ErrorCode::UNKNOWN_CONTAINER,
            ErrorCode::INVALID_ENVIRONMENT,
            ErrorCode::IO_FAILURE,
            ErrorCode::DECODING_FAILURE,
            ErrorCode::INVALID_NETWORK_CONFIG,
            ErrorCode::TRY_AGAIN_LATER,
            ErrorCode::NOT_AVAILABLE,
            ErrorCode::LIMITED_CONNECTIVITY,
        ];
        assert_eq!(codes.map(ErrorCode::get), [1, 2, 3, 4, 5, 6, 7, 11, 50, 51]);
    }

    #[test]
    fn a_plugins_own_codes_begin_at_100() {
        assert_eq!(ErrorCode::plugin(100), ErrorCode::new(100));
    }

    #[test]
    #[should_panic(expected = "codes below 100 are reserved")]
    fn a_plugins_own_code_is_not_one_of_the_specification() {
        let _ = ErrorCode::plugin(99);
    }
}
