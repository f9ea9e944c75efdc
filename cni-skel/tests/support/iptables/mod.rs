//! Table nat.

pub(crate) mod changes;
pub(crate) mod rules;
pub(crate) mod world;
