use super::*;

fn message(changes: Changes) -> String {
    changes.check("Zip", "Text").map_or_else(|error| error.message, |()| String::new())
}

#[test]
fn refuses_what_lambda_refuses() {
    let variables = |name: &str, value: &str| Some(BTreeMap::from([(name.to_owned(), value.to_owned())]));
    let layers = |count: usize| Some(vec!["arn".to_owned(); count]);
    let level = LoggingConfig { application_log_level: Some("DEBUG".into()), ..LoggingConfig::default() };
    let cases = [
        (Changes::default(), ""),
        (Changes { runtime: Some("python3.12".into()), ..Changes::default() }, ""),
        (
            Changes { runtime: Some("python2.7".into()), ..Changes::default() },
            "The runtime parameter of python2.7 is no longer supported",
        ),
        (
            Changes { runtime: Some("cobol85".into()), ..Changes::default() },
            "Value cobol85 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [nodejs20.x, ",
        ),
        (
            Changes { timeout_s: Some(901), ..Changes::default() },
            "1 validation error detected: Value '901' at 'timeout' failed to satisfy constraint: Member must have value \
             less than or equal to 900",
        ),
        (Changes { memory_mb: Some(10_241), ..Changes::default() }, "1 validation error detected: Value '10241' at"),
        (Changes { environment: variables("AWS_REGION", "x"), ..Changes::default() }, "Lambda was unable to configure"),
        (Changes { environment: variables("KEY", &"x".repeat(4085)), ..Changes::default() }, ""),
        (Changes { environment: variables("KEY", &"x".repeat(4087)), ..Changes::default() }, "Lambda was unable"),
        (Changes { layers: layers(6), ..Changes::default() }, "Cannot reference more than 5 layers."),
        (
            Changes { logging: Some(level.clone()), ..Changes::default() },
            "To customize log levels, set LogFormat to JSON.",
        ),
        (
            Changes { logging: Some(LoggingConfig { log_format: Some("JSON".into()), ..level }), ..Changes::default() },
            "",
        ),
    ];
    for (changes, expected) in cases {
        let message = message(changes.clone());
        assert!(message.starts_with(expected) && message.is_empty() == expected.is_empty(), "{changes:?}: {message}");
    }
}

#[test]
fn a_package_type_has_what_it_can_have() {
    let layers = |arns: &[&str]| Some(arns.iter().map(|arn| (*arn).to_owned()).collect());
    let runtime = Changes { runtime: Some("python3.12".into()), ..Changes::default() };
    let handler = Changes { handler: Some("a.b".into()), ..Changes::default() };
    let layer = Changes { layers: layers(&["arn"]), ..Changes::default() };
    let no_layer = Changes { layers: layers(&[]), ..Changes::default() };
    let image = Changes { image_config: Some(ImageConfig::default()), ..Changes::default() };
    for (changes, package_type, accepted) in [
        (&runtime, "Image", false),
        (&handler, "Image", false),
        (&layer, "Image", false),
        (&no_layer, "Image", true),
        (&image, "Image", true),
        (&image, "Zip", false),
        (&runtime, "Zip", true),
    ] {
        assert_eq!(changes.check(package_type, "Text").is_ok(), accepted, "{package_type}: {changes:?}");
    }
}

#[test]
fn the_log_format_brings_and_drops_levels() {
    let text = Logging { format: "Text".into(), group: "g".into(), application_level: None, system_level: None };
    let to = |format: &str| LoggingConfig { log_format: Some(format.into()), ..LoggingConfig::default() };
    let json = merge_logging(&text, to("JSON"));
    assert_eq!((json.application_level.as_deref(), json.system_level.as_deref()), (Some("INFO"), Some("INFO")));
    assert_eq!(merge_logging(&json, to("Text")), text);
}
