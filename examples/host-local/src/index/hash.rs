//! The hash by which the index finds things, and by which it notices that it has been spoilt.

/// FNV-1a over words of 64 bits, mixed at the end. It is written down here because files depend on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hash(u64);

impl Hash {
    pub(super) fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub(super) fn of(bytes: &[u8]) -> u64 {
        let mut hash = Self::new();
        hash.add_bytes(bytes);
        hash.finish()
    }

    pub(super) fn add(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
    }

    /// Adds the length too, so that zeros at the end count.
    pub(super) fn add_bytes(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| self.add(u64::from_le_bytes(*word)));
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.add(u64::from_le_bytes(last));
        self.add(bytes.len() as u64);
    }

    pub(super) fn finish(self) -> u64 {
        let mut hash = self.0;
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        hash ^ (hash >> 33)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::Hash;

    #[test]
    fn what_differs_in_any_byte_differs() {
        let texts = (0..10_000).map(|n| format!("container{n:08}\r\neth0"));
        assert_eq!(texts.map(|text| Hash::of(text.as_bytes())).collect::<HashSet<_>>().len(), 10_000);
        assert_ne!(Hash::of(b""), Hash::of(b"\0"));
        assert_ne!(Hash::of(&[0; 8]), Hash::of(&[0; 16]));
    }

    #[test]
    fn it_stays_what_it_is() {
        assert_eq!(format!("{:016x}", Hash::of(b"")), "9205db68c444bc09");
        assert_eq!(format!("{:016x}", Hash::of(b"a\r\neth0")), "2321c5cf53102735");
    }
}
