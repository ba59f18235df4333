//! Archives of Java classes: made after a function's first start, used by later ones, and different in nothing but time.

use std::path::{Path, PathBuf};
use std::process::Command;

use sandbox::{Environment, EnvironmentSpec, Isolation, StartMode};
use serde_json::{Value, json};

use crate::bench::{Bench, event, response};

/// How many environments are started at most until one maps an archive.
const STARTS_MAX: usize = 300;

impl Bench {
    /// Starts environments until one maps an archive.
    async fn archived(&self, spec: impl Fn() -> EnvironmentSpec) -> Environment {
        for _ in 0..STARTS_MAX {
            let environment = self.start(spec()).await;
            if environment.start_mode() == StartMode::Archive {
                return environment;
            }
            environment.stop().await;
        }
        panic!("no archive was made; {}", self.lines.text());
    }
}

const HANDLER: &str = r#"
package app;
import java.io.*;
import java.net.URL;
import java.nio.file.*;
import java.util.*;

public class Handler {
    /** Nobody initialises it: a JVM that did would be gone. */
    public static class Never {
        static { Runtime.getRuntime().halt(9); }
    }
    public static List<Object> handle(List<Integer> numbers) throws IOException {
        List<Object> seen = new ArrayList<>();
        seen.add(library.Sum.of(numbers));
        for (String name : new String[] {"/settings.txt", "/library/only.txt"}) {
            try (BufferedReader reader = new BufferedReader(new InputStreamReader(Handler.class.getResourceAsStream(name)))) {
                seen.add(reader.readLine());
            }
        }
        // Frameworks look for classes and files by their folders.
        for (String name : new String[] {"app", "settings.txt"}) {
            for (URL found : Collections.list(Handler.class.getClassLoader().getResources(name))) {
                seen.add(found.toString());
            }
        }
        String maps = new String(Files.readAllBytes(Paths.get("/proc/self/maps")));
        seen.add(maps.contains("/var/classes/classes.archive"));
        seen.add(new File("/var/classes").canWrite());
        return seen;
    }
}
"#;

const LIBRARY: &str = r#"
package library;
public class Sum {
    public static int of(java.util.List<Integer> numbers) { int sum = 0; for (int number : numbers) sum += number; return sum; }
}
"#;

fn run(program: &str, arguments: &[&str], dir: &Path) {
    let done = Command::new(program).args(arguments).current_dir(dir).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// A package with a class and a file of its own, and a library with `settings` beside it.
fn package(bench: &Bench, settings: Option<&str>) -> PathBuf {
    let work = bench.code(&[
        ("app/Handler.java", HANDLER),
        ("library/Sum.java", LIBRARY),
        ("out/library/only.txt", "library"),
    ]);
    let code = bench.code(&[("settings.txt", "own"), ("lib/keep", "")]);
    run("javac", &["-d", "out", "library/Sum.java"], &work);
    if let Some(text) = settings {
        std::fs::write(work.join("out/settings.txt"), text).unwrap();
    }
    run("jar", &["cf", code.join("lib/library.jar").to_str().unwrap(), "-C", "out", "."], &work);
    run("javac", &["-cp", "out", "-d", code.to_str().unwrap(), "app/Handler.java"], &work);
    code
}

fn spec(bench: &Bench, runtime: &str, code: &Path) -> EnvironmentSpec {
    bench.spec(runtime, "app.Handler::handle", code.to_path_buf())
}

async fn seen(environment: &Environment, bench: &Bench) -> Vec<Value> {
    serde_json::from_value(response(environment.invoke(event("[1,2,3]")).await, &bench.lines)).unwrap()
}

pub async fn an_archive_changes_nothing_but_time(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    for (runtime, settings) in [("java17", None), ("java17", Some("library")), ("java25", None)] {
        let code = package(&bench, settings);
        let first = bench.start(spec(&bench, runtime, &code)).await;
        let mut plain = seen(&first, &bench).await;
        assert_eq!(plain[..3], [json!(6), json!("own"), json!("library")]);
        assert_eq!(plain.pop(), Some(json!(false)));
        assert_eq!(plain.pop(), Some(json!(false)), "the first start has no archive");
        let later = bench.archived(|| spec(&bench, runtime, &code)).await;
        let mut value = seen(&later, &bench).await;
        assert_eq!(value.pop(), Some(json!(false)), "an archive cannot be written");
        assert_eq!(value.pop(), Some(json!(true)), "{runtime}, {settings:?}: {}", bench.lines.text());
        assert_eq!(value, plain, "{runtime}, {settings:?}");
    }
}

pub async fn an_archive_has_the_classes_of_the_function_and_its_libraries(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let code = package(&bench, None);
    let later = bench.archived(|| {
        let mut spec = spec(&bench, "java17", &code);
        spec.variables.insert("JAVA_TOOL_OPTIONS".to_owned(), "-Xlog:class+load".to_owned());
        spec
    });
    seen(&later.await, &bench).await;
    let text = bench.lines.text();
    for class in ["app.Handler", "library.Sum", "kobel.runtime.Bootstrap"] {
        let shared = format!("{class} source: shared objects file (top)");
        assert!(text.contains(&shared), "{class}: {text}");
    }
}

pub async fn a_function_that_chooses_its_own_archive_gets_none(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let code = package(&bench, None);
    let make = || {
        let mut spec = spec(&bench, "java17", &code);
        spec.variables.insert("JAVA_TOOL_OPTIONS".to_owned(), "-Xshare:off -XX:+UseParallelGC -Xmx100m".to_owned());
        spec
    };
    let environment = bench.start(make()).await;
    assert_eq!(environment.start_mode(), StartMode::Exec);
    assert!(environment.why_exec().unwrap().contains("settings, allow no archive"));
    assert_eq!(seen(&environment, &bench).await[0], 6);
}
