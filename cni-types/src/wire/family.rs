//! Families of versions.

use crate::SpecVersion;

/// Versions whose results have the same shape.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Slots,
    VersionedLists,
    Lists,
}

impl Family {
    pub(super) const fn of(version: SpecVersion) -> Self {
        match version {
            SpecVersion::V0_1_0 | SpecVersion::V0_2_0 => Self::Slots,
            SpecVersion::V0_3_0 | SpecVersion::V0_3_1 | SpecVersion::V0_4_0 => Self::VersionedLists,
            SpecVersion::V1_0_0 | SpecVersion::V1_1_0 => Self::Lists,
        }
    }
}
