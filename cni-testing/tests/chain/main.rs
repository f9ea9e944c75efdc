//! `Chain` against plugins that are shell scripts.

mod attach;
mod cache;
mod failing;
mod plugins;
mod upkeep;
