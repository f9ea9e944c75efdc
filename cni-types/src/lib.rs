//! Typed models of the CNI specification.
#![forbid(unsafe_code)]
