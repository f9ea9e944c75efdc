//! Test CNI plugins.
#![forbid(unsafe_code)]
