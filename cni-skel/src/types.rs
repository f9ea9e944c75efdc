//! Stand-in until cni-types has it.
use std::fmt;

/// A hardware address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MacAddr(Vec<u8>);

impl MacAddr {
    /// From its bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if matches!(bytes.len(), 1..=32) { Some(Self(bytes.to_vec())) } else { None }
    }
    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, b) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(":")?;
            }
            write!(f, "{b:02x}")?;
        }
        Ok(())
    }
}
