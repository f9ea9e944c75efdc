//! Masquerading: what containers send to the world outside has the host's address.

mod nftables;

pub(crate) use nftables::{add, check, collect, del};
