//! Which boot of the machine this is, and when it began.

use std::fs;
use std::io;
use std::time::{Duration, SystemTime};

use nix::time::{ClockId, clock_gettime};

/// The random number that the kernel gives itself at each boot, as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BootId([u8; Self::SIZE]);

impl BootId {
    pub(crate) const SIZE: usize = 36;

    /// That of the running kernel.
    ///
    /// # Errors
    /// When there is no procfs.
    pub(crate) fn current() -> io::Result<Self> {
        let text = fs::read("/proc/sys/kernel/random/boot_id")?;
        Self::parse(&text).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Reads the text, around which white space does not count.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let id: [u8; Self::SIZE] = text.trim_ascii().try_into().ok()?;
        id.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-').then_some(Self(id))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// When the running kernel began, by the clock as it is set now.
pub(crate) fn began() -> io::Result<SystemTime> {
    let up = Duration::from(clock_gettime(ClockId::CLOCK_BOOTTIME)?);
    SystemTime::now().checked_sub(up).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_has_one_name_and_began_before_now() {
        let id = BootId::current().unwrap();
        assert_eq!(id, BootId::current().unwrap());
        assert_eq!(BootId::parse(id.as_bytes()), Some(id));
        assert!(began().unwrap() < SystemTime::now());
    }

    #[test]
    fn what_is_no_name_of_a_boot_is_none() {
        for text in ["", "x", "\0", &"x".repeat(36), &"0".repeat(37), &"0".repeat(35)] {
            assert_eq!(BootId::parse(text.as_bytes()), None, "{text:?}");
        }
    }
}
