//! The benchmark's own logic: what it makes of numbers, not the numbers.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]
#![allow(dead_code, reason = "what only the benchmark itself uses")]

mod builds;
mod chart;
mod contest;
mod failure;
mod goals;
mod machine;
mod node;
mod options;
mod page;
mod pictures;
mod process;
mod results;
mod scenario;
mod sections;
mod stats;
mod subject;
mod svg;
mod traced;
