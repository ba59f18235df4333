use std::time::Duration;

use super::*;
use crate::runtimes::Version;

fn spec(runtime: &str) -> EnvironmentSpec {
    EnvironmentSpec {
        id: "e".to_owned(),
        runtime: runtime.to_owned(),
        image: None,
        handler: "app.handler".to_owned(),
        code: "/nowhere".into(),
        layers: Vec::new(),
        variables: BTreeMap::from([("TZ".to_owned(), "Europe/Berlin".to_owned())]),
        memory_mb: 512,
        ephemeral_storage_mb: 512,
        network: None,
        init_timeout: Duration::from_secs(10),
        credentials: None,
        account_id: None,
        telemetry: crate::Telemetry::default(),
    }
}

fn resolved(identifier: &str, family: Family, major: u32, minor: u32, prefix: &str, program: &str) -> Resolved {
    let prefix = PathBuf::from(prefix);
    let runtime = Runtime { family, version: Version { major, minor }, path: prefix.join(program), prefix, root: None };
    Resolved { identifier: identifier.to_owned(), family, runtime: Some(runtime), warning: None }
}

#[test]
fn shows_an_interpreter_outside_of_usr_at_var_lang() {
    let outside = resolved("python3.12", Family::Python, 3, 12, "/root/.pyenv/versions/3.12.1", "bin/python3.12");
    let made = command(&spec("python3.12"), &outside, &Layout::of_lambda(), 4566);
    assert_eq!(made.arguments, ["/var/lang/bin/python3.12", "/var/runtime/python/bootstrap.py"]);
    assert_eq!(made.lang.as_deref(), Some(Path::new("/root/.pyenv/versions/3.12.1")));
    let inside = resolved("nodejs20.x", Family::Nodejs, 20, 0, "/usr", "bin/node");
    let made = command(&spec("nodejs20.x"), &inside, &Layout::of_lambda(), 4566);
    assert_eq!(made.arguments, ["/usr/bin/node", "--max-old-space-size=460", "/var/runtime/nodejs/bootstrap.js"]);
    assert_eq!(made.lang, None);
}

#[test]
fn sets_the_variables_of_lambda_and_keeps_those_of_the_function() {
    let node = resolved("nodejs22.x", Family::Nodejs, 20, 0, "/usr", "bin/node");
    let variables = command(&spec("nodejs22.x"), &node, &Layout::of_lambda(), 4566).variables;
    let expected = [
        ("_HANDLER", "app.handler"),
        ("LAMBDA_TASK_ROOT", "/var/task"),
        ("LAMBDA_RUNTIME_DIR", "/var/runtime"),
        ("AWS_EXECUTION_ENV", "AWS_Lambda_nodejs22.x"),
        ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:4566"),
        ("TZ", "Europe/Berlin"),
        ("LANG", "en_US.UTF-8"),
        ("PATH", "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin"),
        (
            "NODE_PATH",
            "/opt/nodejs/node20/node_modules:/opt/nodejs/node_modules:/var/runtime/node_modules:/var/runtime:/var/task",
        ),
    ];
    for (name, value) in expected {
        assert_eq!(variables.get(name).map(String::as_str), Some(value), "{name}");
    }
}

#[test]
fn puts_a_wrapper_before_the_interpreter() {
    let java = resolved("java17", Family::Java, 17, 0, "/usr/lib/jvm/17", "bin/java");
    let mut wrapped = spec("java17");
    wrapped.variables.insert("AWS_LAMBDA_EXEC_WRAPPER".to_owned(), "/opt/wrap".to_owned());
    let arguments = command(&wrapped, &java, &Layout::of_lambda(), 4566).arguments;
    assert_eq!(arguments[..3], ["/opt/wrap", "/usr/lib/jvm/17/bin/java", "-Xmx384m"]);
    let class_path = "/var/runtime/java/kobel-lambda-runtime.jar:/var/task:/var/task/lib/*:/opt/java/lib/*";
    assert!(arguments.iter().any(|argument| argument == class_path), "{arguments:?}");
}

#[test]
fn runs_the_bootstrap_of_the_package_without_an_execution_environment_name() {
    let provided =
        Resolved { identifier: "provided.al2023".to_owned(), family: Family::Provided, runtime: None, warning: None };
    let made = command(&spec("provided.al2023"), &provided, &Layout::of_lambda(), 4566);
    assert_eq!(made.arguments, ["/opt/bootstrap"]);
    assert!(!made.variables.contains_key("AWS_EXECUTION_ENV"));
}

#[test]
fn starts_ruby_without_gems_and_says_where_they_are() {
    let ruby = resolved("ruby3.3", Family::Ruby, 3, 1, "/usr", "bin/ruby3.1");
    let made = command(&spec("ruby3.3"), &ruby, &Layout::of_lambda(), 4566);
    assert_eq!(made.arguments, ["/usr/bin/ruby3.1", "--disable-gems", "-EUTF-8", "/var/runtime/ruby/bootstrap.rb"]);
    let expected = [
        ("GEM_PATH", "/var/task/vendor/bundle/ruby/3.3.0:/opt/ruby/gems/3.3.0"),
        ("RUBYLIB", "/var/task:/var/runtime/lib:/opt/ruby/lib"),
    ];
    for (name, value) in expected {
        assert_eq!(made.variables.get(name).map(String::as_str), Some(value), "{name}");
    }
}

#[test]
fn the_functions_own_settings_of_a_jvm_go_before_ours() {
    let java = resolved("java17", Family::Java, 17, 0, "/usr/lib/jvm/17", "bin/java");
    let arguments = |options: &str| {
        let mut spec = spec("java17");
        spec.variables.insert("JAVA_TOOL_OPTIONS".to_owned(), options.to_owned());
        command(&spec, &java, &Layout::of_lambda(), 4566).arguments
    };
    let ours = ["-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"];
    for (options, left_out) in [
        ("-Dx=y", None),
        ("-Xmx100m", Some("-Xmx384m")),
        ("-XX:MaxRAMPercentage=50", Some("-Xmx384m")),
        ("-XX:+UseG1GC", Some("-XX:+UseSerialGC")),
        ("-XX:-TieredCompilation", Some("-XX:TieredStopAtLevel=1")),
    ] {
        let arguments = arguments(options);
        for setting in ours {
            assert_eq!(arguments.iter().any(|own| own == setting), left_out != Some(setting), "{options}: {setting}");
        }
    }
}

#[test]
fn a_class_path_begins_with_what_the_archive_covers() {
    let java = resolved("java17", Family::Java, 17, 0, "/usr/lib/jvm/17", "bin/java");
    let path = |archives_libraries| {
        let libraries = vec!["/var/task/lib/a.jar".to_owned()];
        let kind = java::ArchiveKind::Cds;
        let cache = java::ClassCache { dir: "/caches/1".into(), kind, libraries, archives_libraries };
        let layout = Layout { class_cache: Some(Arc::new(cache)), ..Layout::of_lambda() };
        let made = command(&spec("java17"), &java, &layout, 4566);
        assert_eq!(made.classes.as_deref(), Some(Path::new("/caches/1")));
        assert!(made.arguments.contains(&"-XX:SharedArchiveFile=/var/classes/classes.archive".to_owned()));
        let after = made.arguments.iter().position(|argument| argument == "-cp").map(|at| at + 1);
        made.arguments[after.expect("a class path")].clone()
    };
    let covered = "/var/runtime/java/kobel-lambda-runtime.jar:/var/classes/function.jar";
    assert_eq!(path(true), format!("{covered}:/var/task/lib/a.jar:/var/task"));
    assert_eq!(path(false), format!("{covered}:/var/task:/var/task/lib/a.jar"));
}
