//! Encodes and decodes rules.

use super::chain::Chain;
use super::constants::{
    COMPAT_FLAGS, COMPAT_PROTOCOL, DELRULE, GETRULE, NEWRULE, NLM_F_APPEND, RULE_CHAIN, RULE_COMPAT,
    RULE_EXPRESSIONS, RULE_HANDLE, RULE_TABLE, RULE_USERDATA,
};
use super::expression_message::{put, read};
use super::rule::Rule;
use super::table::Family;
use super::wire::{
    COMMENT, attributes, be64, comment, family_of, put_be32, put_be64, put_name, put_userdata, start,
};
use crate::netlink::{Message, NLM_F_CREATE, Request};

pub(super) fn add(rule: &Rule) -> (String, Request) {
    (format!("add a rule to {}", rule.describe()), new(rule, NLM_F_CREATE | NLM_F_APPEND))
}

pub(super) fn insert(rule: &Rule) -> (String, Request) {
    (format!("insert a rule into {}", rule.describe()), new(rule, NLM_F_CREATE))
}

fn new(rule: &Rule, flags: u16) -> Request {
    let mut request = start(Request::part(NEWRULE, flags), rule.family.number());
    if let Some(fault) = rule.fault {
        request.refuse(fault);
    }
    put_name(&mut request, RULE_TABLE, &rule.table);
    put_name(&mut request, RULE_CHAIN, &rule.chain);
    request.nest(RULE_EXPRESSIONS, |list| rule.steps.iter().for_each(|step| put(list, step)));
    if let Some(protocol) = rule.compat {
        request.nest(RULE_COMPAT, |compat| {
            put_be32(compat, COMPAT_PROTOCOL, protocol);
            put_be32(compat, COMPAT_FLAGS, 0);
        });
    }
    put_userdata(&mut request, RULE_USERDATA, Vec::new(), COMMENT, rule.comment.as_deref());
    request
}

pub(super) fn delete(rule: &Rule) -> (String, Request) {
    let mut request = start(Request::part(DELRULE, 0), rule.family.number());
    put_name(&mut request, RULE_TABLE, &rule.table);
    put_name(&mut request, RULE_CHAIN, &rule.chain);
    match rule.handle {
        Some(handle) => put_be64(&mut request, RULE_HANDLE, handle),
        // Without a handle the kernel would delete all rules of the chain.
        None => {
            request.refuse("a rule to delete does not come from a list");
        }
    }
    (format!("delete a rule of {}", rule.describe()), request)
}

/// Returns the request that deletes all rules of a chain.
pub(super) fn flush(chain: &Chain) -> (String, Request) {
    let mut request = start(Request::part(DELRULE, 0), chain.family.number());
    put_name(&mut request, RULE_TABLE, &chain.table);
    put_name(&mut request, RULE_CHAIN, &chain.name);
    (format!("flush chain {}", chain.describe()), request)
}

/// Returns the request for all rules of a chain.
pub(super) fn list(chain: &Chain) -> Request {
    let mut request = start(Request::dump(GETRULE), chain.family.number());
    put_name(&mut request, RULE_TABLE, &chain.table);
    put_name(&mut request, RULE_CHAIN, &chain.name);
    request
}

/// Reads the comment of a rule.
pub(super) fn comment_of(message: Message<'_>) -> Option<String> {
    if message.kind != NEWRULE {
        return None;
    }
    let userdata = attributes(message.payload).find(|attribute| attribute.kind == RULE_USERDATA)?;
    comment(userdata.payload, COMMENT)
}

pub(super) fn decode(message: Message<'_>) -> Option<Rule> {
    if message.kind != NEWRULE {
        return None;
    }
    let family = Family::from_number(family_of(message.payload)?)?;
    let mut rule = Rule {
        family,
        table: String::new(),
        chain: String::new(),
        handle: None,
        comment: None,
        steps: Vec::new(),
        network: None,
        has_transport: false,
        compat: None,
        fault: Some("a rule to add comes from a list"),
    };
    for attribute in attributes(message.payload) {
        match attribute.kind {
            RULE_TABLE => rule.table = attribute.text().into_owned(),
            RULE_CHAIN => rule.chain = attribute.text().into_owned(),
            RULE_HANDLE => rule.handle = be64(attribute.payload),
            RULE_EXPRESSIONS => rule.steps = read(attribute.nested()),
            RULE_USERDATA => rule.comment = comment(attribute.payload, COMMENT),
            _ => {}
        }
    }
    (!rule.table.is_empty() && !rule.chain.is_empty()).then_some(rule)
}
