//! The checks, one file for each subject.

mod add;
mod add_error;
mod chain;
mod check;
mod del;
mod delegation;
mod delegation_later;
mod end;
mod environment;
mod error;
mod gc;
mod input;
mod ipam;
mod load;
mod status;
mod truth;
mod version;

use super::check::Check;

/// Anchors of the specification, below its tagged version.
mod section {
    pub(super) const PARAMETERS: &str = "SPEC.md#parameters";
    pub(super) const ERROR: &str = "SPEC.md#error";
    pub(super) const CONFIG: &str = "SPEC.md#configuration-format";
    pub(super) const OBJECTS: &str = "SPEC.md#plugin-configuration-objects";
    pub(super) const ADD: &str = "SPEC.md#add-add-container-to-network-or-apply-modifications";
    pub(super) const RESULT: &str = "SPEC.md#add-success";
    pub(super) const DEL: &str = "SPEC.md#del-remove-container-from-network-or-un-apply-modifications";
    pub(super) const CHECK: &str = "SPEC.md#check-check-containers-networking-is-as-expected";
    pub(super) const GC: &str = "SPEC.md#gc-clean-up-any-stale-resources";
    pub(super) const STATUS: &str = "SPEC.md#status-check-plugin-status";
    pub(super) const VERSION: &str = "SPEC.md#version-probe-plugin-version-support";
    pub(super) const DELEGATION: &str = "SPEC.md#section-4-plugin-delegation";
    pub(super) const DERIVED: &str = "SPEC.md#deriving-execution-configuration-from-plugin-configuration";
    pub(super) const LIFECYCLE: &str = "SPEC.md#lifecycle--ordering";
    pub(super) const ARGS: &str = "CONVENTIONS.md#args-in-network-config";
    pub(super) const CNI_ARGS: &str = "CONVENTIONS.md#cni_args";
}

pub(super) fn all() -> impl Iterator<Item = Check> {
    [
        environment::CHECKS,
        input::CHECKS,
        version::CHECKS,
        error::CHECKS,
        add::CHECKS,
        add_error::CHECKS,
        truth::CHECKS,
        chain::CHECKS,
        ipam::CHECKS,
        delegation::CHECKS,
        delegation_later::CHECKS,
        del::CHECKS,
        check::CHECKS,
        gc::CHECKS,
        status::CHECKS,
        end::CHECKS,
        load::CHECKS,
    ]
    .into_iter()
    .flatten()
    .copied()
}
