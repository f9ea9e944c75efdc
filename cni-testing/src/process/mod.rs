//! Plugins as processes.

pub(crate) mod group;
