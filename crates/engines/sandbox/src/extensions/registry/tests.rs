use super::*;

fn events(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn register(registry: &mut Registry, name: &str, wanted: &[&str]) -> Result<(), &'static str> {
    registry.register(name, format!("id-{name}"), &events(wanted)).map_err(|refusal| refusal.error_type)
}

#[test]
fn refuses_what_cannot_register() {
    let mut registry = Registry::default();
    registry.started("outer");
    assert_eq!(register(&mut registry, "inner", &["INVOKE", "SHUTDOWN"]), Err("Extension.InvalidEventType"));
    assert_eq!(register(&mut registry, "inner", &["WAKE"]), Err("Extension.InvalidEventType"));
    assert_eq!(register(&mut registry, "", &[]), Err("Extension.InvalidExtensionName"));
    assert_eq!(register(&mut registry, "outer", &["INVOKE", "SHUTDOWN"]), Ok(()));
    assert_eq!(register(&mut registry, "outer", &[]), Err("Extension.InvalidExtensionState"));
    assert_eq!(register(&mut registry, "inner", &["INVOKE"]), Ok(()));
    assert_eq!(register(&mut registry, "inner", &["INVOKE"]), Err("Extension.InvalidExtensionName"));
    for number in 2..EXTENSIONS_MAX {
        assert_eq!(register(&mut registry, &number.to_string(), &[]), Ok(()));
    }
    assert_eq!(register(&mut registry, "another", &[]), Err("Extension.TooManyExtensions"));
    registry.close();
    assert_eq!(register(&mut registry, "late", &[]), Err("Extension.RegistrationClosed"));
}

#[test]
fn an_invocation_is_over_when_each_has_asked_for_the_next_event() {
    let mut registry = Registry::default();
    register(&mut registry, "a", &["INVOKE"]).unwrap();
    register(&mut registry, "b", &[]).unwrap();
    assert!(!registry.is_initialised());
    registry.ask("id-a").unwrap();
    registry.ask("id-b").unwrap();
    assert!(registry.is_initialised() && registry.is_settled());
    registry.send(&Event { kind: EventType::Invoke, body: json!(1) });
    assert!(!registry.is_settled());
    assert_eq!(registry.take("id-a").unwrap().body, 1);
    assert!(registry.take("id-b").is_none());
    assert!(!registry.is_settled());
    registry.ask("id-a").unwrap();
    assert!(registry.is_settled());
}

#[test]
fn a_reported_error_is_a_failure_that_its_exit_does_not_hide() {
    let mut registry = Registry::default();
    registry.started("a");
    register(&mut registry, "a", &["INVOKE"]).unwrap();
    registry.report("id-a", "Extension.NoLuck".to_owned(), true).unwrap();
    registry.exited("a", "exit status 1");
    assert_eq!(registry.failure().unwrap().error_type, "Extension.InitError");
    assert_eq!(registry.states()[0].state, "InitError");
    assert_eq!(registry.ask("id-a").unwrap_err().error_type, "Extension.InvalidExtensionState");
    assert_eq!(registry.ask("other").unwrap_err().error_type, "Extension.UnknownExtensionIdentifier");
}

#[test]
fn an_exit_is_a_crash_unless_the_environment_ends() {
    for (ending, error_type) in [(false, Some("Extension.Crash")), (true, None)] {
        let mut registry = Registry::default();
        registry.started("a");
        register(&mut registry, "a", &["SHUTDOWN"]).unwrap();
        if ending {
            registry.end(&Event::shutdown(ShutdownReason::Spindown, 5));
            assert_eq!(registry.take("id-a").unwrap().body["shutdownReason"], "spindown");
        }
        assert!(!registry.is_gone());
        registry.exited("a", "exit status 1");
        assert_eq!(registry.failure().map(|failure| failure.error_type), error_type);
        assert!(registry.is_gone());
    }
}

#[test]
fn the_runtime_waits_for_external_extensions_to_register() {
    let mut registry = Registry::default();
    registry.started("a");
    registry.started("b");
    register(&mut registry, "a", &["SHUTDOWN"]).unwrap();
    assert!(!registry.is_registered());
    register(&mut registry, "b", &["INVOKE"]).unwrap();
    assert!(registry.is_registered());
    assert_eq!(registry.unwilling(), ["b"]);
}

#[test]
fn one_that_cannot_be_started_is_a_failure() {
    let mut registry = Registry::default();
    registry.started("a");
    registry.launch_failed("a", "PermissionDenied", "fork/exec /opt/extensions/a: permission denied");
    assert_eq!(registry.failure().unwrap().error_type, "Extension.LaunchError");
    let [status] = &registry.states()[..] else { panic!("one extension") };
    assert_eq!((status.state, status.error_type.as_deref()), ("LaunchError", Some("PermissionDenied")));
    assert!(registry.is_gone());
}
