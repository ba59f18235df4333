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
    assert_eq!(register(&mut registry, "inner", &["INVOKE", "SHUTDOWN"]), Err("Extension.InvalidEventType"));
    assert_eq!(register(&mut registry, "inner", &["WAKE"]), Err("Extension.InvalidEventType"));
    assert_eq!(register(&mut registry, "", &[]), Err("Extension.InvalidExtensionName"));
    assert_eq!(register(&mut registry, "inner", &["INVOKE"]), Ok(()));
    assert_eq!(register(&mut registry, "inner", &["INVOKE"]), Err("Extension.InvalidExtensionName"));
    for number in 1..EXTENSIONS_MAX {
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
fn a_reported_error_is_a_failure() {
    let mut registry = Registry::default();
    register(&mut registry, "a", &["INVOKE"]).unwrap();
    registry.report("id-a", "Extension.NoLuck".to_owned(), true).unwrap();
    assert_eq!(registry.failure().unwrap().error_type, "Extension.InitError");
    assert_eq!(registry.states()[0].state, "InitError");
    assert_eq!(registry.ask("id-a").unwrap_err().error_type, "Extension.InvalidExtensionState");
    assert_eq!(registry.ask("other").unwrap_err().error_type, "Extension.UnknownExtensionIdentifier");
}
