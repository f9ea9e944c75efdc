//! VLANs, against a kernel that knows those of bridges. Not every machine's does, so `.ci/vm` runs this in an emulated one.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]

mod gateways;
#[path = "../bridge/places.rs"]
mod places;
mod ports;
mod reference;
mod undone;
mod witness;
#[path = "../bridge/world.rs"]
mod world;
