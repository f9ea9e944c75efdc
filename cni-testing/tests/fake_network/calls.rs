//! Calls on a network in memory: which namespace a plugin gets.

use cni_skel::types::{AddResult, ErrorCode, Interface};
use cni_skel::{AddRequest, CheckRequest, DelRequest, NoConfig, Plugin, Result};
use cni_testing::{Binary, Call, FakeNetwork};

/// Tells the links of the host and of the container.
struct Links;

impl Plugin for Links {
    type Config = NoConfig;

    fn add(&self, req: &AddRequest) -> Result<AddResult> {
        let mut result = AddResult::default();
        for link in req.net()?.links()? {
            result.push_interface(Interface::new(link.name));
        }
        for link in req.netns.net()?.links()? {
            result.push_interface(Interface::new(link.name).sandbox(&req.netns));
        }
        Ok(result)
    }

    fn del(&self, req: &DelRequest) -> Result<()> {
        let has_one = req.netns.is_some();
        assert!(!has_one, "the container is gone");
        Ok(())
    }

    fn check(&self, _: &CheckRequest) -> Result<()> {
        Ok(())
    }
}

#[test]
fn a_container_has_the_namespace_of_its_name() {
    let network = FakeNetwork::new();
    let bridge = cni_skel::net::Bridge::new("only-here");
    network.container("c2").net().unwrap().add_bridge(&bridge).unwrap();
    let told = |id: &str| {
        let result = Call::add(&Links).network(&network).container_id(id).run().result();
        let inside = result.interfaces.into_iter().filter_map(|link| Some((link.name, link.sandbox?)));
        inside.collect::<Vec<_>>()
    };
    let named = |name: &str, path: &str| (name.to_owned(), path.to_owned());
    assert_eq!(told("c1"), [named("lo", "/fake/netns/c1")]);
    assert_eq!(told("c2"), [named("lo", "/fake/netns/c2"), named("only-here", "/fake/netns/c2")]);
}

#[test]
fn a_container_that_is_gone_is_no_namespace_of_del_and_an_error_of_add() {
    let network = FakeNetwork::new();
    Call::add(&Links).network(&network).run().success();
    network.remove_container("c1");
    Call::del(&Links).network(&network).run().silent_success();
    let call = Call::add(&Links).network(&network).env("CNI_NETNS", "/fake/netns/c1");
    let error = call.run().error_with(ErrorCode::INVALID_ENVIRONMENT);
    assert_eq!(error.msg, "invalid CNI_NETNS: cannot open /fake/netns/c1");
}

#[test]
fn the_host_itself_is_refused_as_the_container() {
    let network = FakeNetwork::new();
    let call = Call::add(&Links).network(&network).env("CNI_NETNS", network.host().path());
    let error = call.run().error_with(ErrorCode::INVALID_ENVIRONMENT);
    assert_eq!(error.msg, "invalid CNI_NETNS: /fake/host is the plugin's own network namespace");
}

#[test]
#[should_panic(expected = "a program cannot use a network in memory: use Call::host and Call::netns")]
fn a_program_cannot_be_called_on_it() {
    let network = FakeNetwork::new();
    let _ = Call::add(Binary::at("/bin/true")).network(&network).run();
}

/// Calls `Links` as a delegate, and lists the links of the host, on threads that it starts itself.
struct Threads;

impl Plugin for Threads {
    type Config = NoConfig;

    fn add(&self, req: &AddRequest) -> Result<AddResult> {
        let links = || -> Result<_> { Ok(req.net()?.links()?) };
        let delegated = || req.delegate(&"links".try_into()?)?.add();
        let [links, delegated] = std::thread::scope(|scope| {
            let (links, delegated) = (scope.spawn(links), scope.spawn(delegated));
            let names = |result: AddResult| result.interfaces.into_iter().map(|link| link.name).collect();
            [
                links
                    .join()
                    .unwrap()
                    .map(|links| links.into_iter().map(|link| link.name).collect::<Vec<_>>()),
                delegated.join().unwrap().map(names),
            ]
        });
        let mut result = AddResult::default();
        for name in links?.into_iter().chain(delegated?) {
            result.push_interface(Interface::new(name));
        }
        Ok(result)
    }

    fn del(&self, _: &DelRequest) -> Result<()> {
        Ok(())
    }

    fn check(&self, _: &CheckRequest) -> Result<()> {
        Ok(())
    }
}

#[test]
fn a_thread_that_the_handler_starts_sees_the_fake_network() {
    let network = FakeNetwork::new();
    network.net().unwrap().add_bridge(&cni_skel::net::Bridge::new("only-here")).unwrap();
    let call = Call::add(&Threads).network(&network).delegate_plugin("links", Links);
    let names: Vec<_> = call.run().result().interfaces.into_iter().map(|link| link.name).collect();
    assert_eq!(names, ["lo", "only-here", "lo", "only-here", "lo"]);
}
