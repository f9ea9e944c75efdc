//! Error codes.

use std::fmt;

/// The code of an error: key `code` of an
/// [error object](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#error).
///
/// The specification reserves codes 0 to 99. A plugin's own codes start at 100.
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
    /// 0: the error has no code.
    pub const UNKNOWN: Self = Self(0);
    /// 1: incompatible CNI version.
    pub const INCOMPATIBLE_VERSION: Self = Self(1);
    /// 2: unsupported field in the network configuration. The message must contain key and value.
    pub const UNSUPPORTED_FIELD: Self = Self(2);
    /// 3: the container is unknown or does not exist. The runtime need not clean up.
    pub const UNKNOWN_CONTAINER: Self = Self(3);
    /// 4: a required environment variable is missing or invalid. The message must contain its name.
    pub const INVALID_ENVIRONMENT: Self = Self(4);
    /// 5: I/O failure, for example while reading the configuration from stdin.
    pub const IO_FAILURE: Self = Self(5);
    /// 6: content does not decode, for example the network configuration.
    pub const DECODING_FAILURE: Self = Self(6);
    /// 7: invalid network configuration: it decodes, but a value is invalid.
    pub const INVALID_NETWORK_CONFIG: Self = Self(7);
    /// 8: `CNI_NETNS` is the plugin's own network namespace. The Go library uses this code; it is not in the
    /// specification.
    pub const INVALID_NETNS: Self = Self(8);
    /// 11: a temporary condition. The runtime should try again later.
    pub const TRY_AGAIN_LATER: Self = Self(11);
    /// 50: the plugin is not available and cannot serve ADD. An answer to STATUS.
    pub const NOT_AVAILABLE: Self = Self(50);
    /// 51: the plugin is not available, and existing containers may have limited connectivity. An answer to STATUS.
    pub const LIMITED_CONNECTIVITY: Self = Self(51);
    /// 999: any other failure. The specification does not name it; the Go library uses it.
    pub const INTERNAL: Self = Self(999);

    /// Any code, for example one that another plugin reported.
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

    /// The code as a number.
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
