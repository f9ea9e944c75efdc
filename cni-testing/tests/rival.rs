//! Another program in the middle of a call: when it has its turn, and what it is told apart from.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use cni_skel::net::Bridge;
use cni_skel::seam::{Operation, Watch};
use cni_skel::types::{AddResult, ErrorCode};
use cni_skel::{AddRequest, CheckRequest, DelRequest, NoConfig, Plugin, Result};
use cni_testing::{Binary, Call, FakeNetwork, Rival, faults};

/// Makes a bridge, and takes what it saw before for what is there still.
struct Careless;

impl Plugin for Careless {
    type Config = NoConfig;

    fn add(&self, req: &AddRequest) -> Result<AddResult> {
        let host = req.net()?;
        if host.find_link("br0")?.is_none() {
            host.add_bridge(&Bridge::new("br0"))?;
        }
        Ok(AddResult::default())
    }

    fn del(&self, _: &DelRequest) -> Result<()> {
        Ok(())
    }

    fn check(&self, _: &CheckRequest) -> Result<()> {
        Ok(())
    }
}

/// Another program that makes the bridge, too.
fn maker(network: &FakeNetwork) -> Rival {
    let host = network.net().unwrap();
    Rival::new(move |_| drop(host.add_bridge(&Bridge::new("br0"))))
}

/// Writes down what it is told.
#[derive(Debug, Default)]
struct Told(Mutex<Vec<String>>);

impl Watch for Told {
    fn before(&self, operation: &Operation<'_>) -> io::Result<()> {
        self.0.lock().unwrap().push(operation.to_string());
        Ok(())
    }

    fn after(&self, _: &Operation<'_>) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_plugin_that_relies_on_what_it_saw_is_found_at_the_step_where_it_does() {
    let told = Arc::new(Told::default());
    let network = FakeNetwork::new();
    Call::add(&Careless).network(&network).watched(told.clone()).run().success();
    let steps = told.0.lock().unwrap().clone();
    let mut failed = Vec::new();
    for step in 1..=steps.len() {
        let network = FakeNetwork::new();
        let rival = maker(&network).steps(step..=step);
        let outcome = Call::add(&Careless).network(&network).rival(&rival).run();
        assert_eq!(rival.changes(), 1, "{outcome}");
        if outcome.exit_code() != Some(0) {
            let error = outcome.error_with(ErrorCode::INTERNAL);
            assert_eq!(error.details.as_deref(), Some("File exists (os error 17)"));
            failed.push(steps[step - 1].as_str());
        }
    }
    assert_eq!(failed, ["netlink request RTM_NEWLINK"]);
}

#[test]
fn steps_are_those_that_it_is_about_and_are_counted_in_each_call_anew() {
    let network = FakeNetwork::new();
    let numbers = Arc::new(Mutex::new(Vec::new()));
    let seen = numbers.clone();
    let is_request = |operation: &Operation<'_>| matches!(operation, Operation::Request(_));
    let rival = Rival::new(move |number| seen.lock().unwrap().push(number)).only(is_request).steps(2..=2);
    // The bridge is looked for and made, then looked for only.
    for changes in [1, 1] {
        Call::add(&Careless).network(&network).rival(&rival).run().success();
        assert_eq!(rival.changes(), changes);
    }
    Call::add(&Careless).network(&FakeNetwork::new()).rival(&rival).run().success();
    assert_eq!(*numbers.lock().unwrap(), [1, 2]);
    let of_rules = rival.only_rules().steps(1..=usize::MAX);
    Call::add(&Careless).network(&FakeNetwork::new()).rival(&of_rules).run().success();
    assert_eq!(of_rules.changes(), 2, "nothing here is about rules");
}

#[test]
fn a_panic_in_the_change_is_told() {
    let rival = Rival::new(|number| panic!("change {number} cannot be made"));
    let error = Call::add(&Careless).network(&FakeNetwork::new()).rival(&rival).run().error();
    assert!(error.details.unwrap().contains("change 1 cannot be made"));
}

#[test]
fn what_it_would_not_meet_is_refused() {
    let rival = Rival::new(|_| {});
    let complaint = |step: &dyn Fn()| {
        let panic = catch_unwind(AssertUnwindSafe(step)).unwrap_err();
        panic.downcast::<&str>().unwrap().to_string()
    };
    let program = complaint(&|| drop(Call::add(Binary::at("/bin/true")).rival(&rival)));
    assert_eq!(program, "the operations of a program cannot be watched: test the plugin in process");
    let twice = complaint(&|| {
        faults::assert_clean_failure(FakeNetwork::new, |network, command| {
            Call::new(command, &Careless).network(network).rival(&rival)
        });
    });
    assert!(twice.starts_with("the call already has a watch"), "{twice}");
}
