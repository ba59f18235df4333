//! Container images: their own root, program and variables, in the same sandbox.

use std::os::unix::fs::symlink;
use std::sync::Arc;

use sandbox::{EnvironmentSpec, Error, Image, Isolation, StartError};
use serde_json::json;

use crate::bench::{Bench, event, make_executable, response};

/// Debian's `busybox-static`: a whole system in one file.
const BUSYBOX: &str = "/bin/busybox";
/// Answers each event with what it sees of its surroundings.
const ENTRY: &str = r#"#!/bin/sh
api=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation
while wget -S -q -O /tmp/event $api/next 2>/tmp/headers; do
  id=$(sed -n 's/.*Lambda-Runtime-Aws-Request-Id: *//Ip' /tmp/headers | tr -d '\r')
  touch /new 2>/dev/null && readonly=false || readonly=true
  : >/dev/null && devices=true
  found="[\"$1\",\"$_HANDLER\",\"$PWD\",\"$FROM_IMAGE\",$readonly,$devices,\"$(ls / | tr '\n' ' ')\",$(id -u)]"
  wget -q -O /dev/null --post-data "$found" $api/$id/response
done
"#;

fn image(bench: &Bench) -> Image {
    let root = bench.code(&[("entry.sh", ENTRY), ("work/here", "")]);
    for folder in ["bin", "dev", "proc", "tmp"] {
        std::fs::create_dir(root.join(folder)).unwrap();
    }
    std::fs::copy(BUSYBOX, root.join("bin/busybox")).expect("busybox-static is installed by scripts/setup");
    for name in ["sh", "wget", "sed", "tr", "touch", "ls", "id"] {
        symlink("busybox", root.join("bin").join(name)).unwrap();
    }
    make_executable(&root.join("entry.sh"));
    Image {
        root,
        entrypoint: vec!["/entry.sh".to_owned()],
        command: vec!["app.handler".to_owned()],
        working_dir: "/work".to_owned(),
        variables: vec!["FROM_IMAGE=yes".to_owned()],
    }
}

fn spec(bench: &Bench, image: Image) -> EnvironmentSpec {
    let spec = bench.spec("", "", "/nowhere".into());
    EnvironmentSpec { image: Some(Arc::new(image)), ..spec }
}

pub async fn runs_an_image_on_its_own_root(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let started = bench.try_start(spec(&bench, image(&bench))).await;
    if isolation == Isolation::Process {
        let error = started.err().expect("processes have no root of their own");
        assert!(matches!(error, StartError::Engine(Error::ImageNeedsNamespaces)), "{error}");
        return;
    }
    let environment = started.unwrap();
    let seen = "bin dev entry.sh proc tmp work ";
    let expected = json!(["app.handler", "app.handler", "/work", "yes", true, true, seen, 993]);
    for _ in 0..2 {
        assert_eq!(response(environment.invoke(event("{}")).await, &bench.lines), expected);
    }
}

pub async fn names_what_an_image_lacks(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let whole = image(&bench);
    let without_program = Image { entrypoint: vec!["/none".to_owned()], ..whole.clone() };
    let without_folder = Image { working_dir: "/none".to_owned(), ..whole };
    for (image, expected) in
        [(without_program, "Runtime.InvalidEntrypoint"), (without_folder, "Runtime.InvalidWorkingDir")]
    {
        let error = bench.try_start(spec(&bench, image)).await.err().expect(expected);
        let expected = if isolation == Isolation::Process { "Sandbox.Failure" } else { expected };
        assert_eq!(error.error_type(), expected);
    }
}

/// An external extension for an image's own shell.
const EXTENSION: &str = r#"#!/bin/sh
api=http://$AWS_LAMBDA_RUNTIME_API/2020-01-01/extension
wget -S -q -O /dev/null --header "Lambda-Extension-Name: outer" --post-data '{"events":["INVOKE"]}' $api/register 2>/tmp/register
id=$(sed -n 's/.*Lambda-Extension-Identifier: *//Ip' /tmp/register | tr -d '\r')
while wget -q -O /dev/null --header "Lambda-Extension-Identifier: $id" $api/event/next; do
  echo "outer heard something"
done
"#;

pub async fn starts_the_extensions_of_an_image(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let image = image(&bench);
    let extension = image.root.join("opt/extensions/outer");
    std::fs::create_dir_all(extension.parent().unwrap()).unwrap();
    std::fs::write(&extension, EXTENSION).unwrap();
    make_executable(&extension);
    let environment = bench.start(spec(&bench, image)).await;
    let outcome = environment.invoke(event("{}")).await;
    assert!(outcome.result.is_ok(), "{:?}", outcome.result);
    if outcome.extensions_work {
        environment.settle(std::time::Duration::from_secs(30)).await.result.unwrap();
    }
    assert!(bench.lines.text().contains("outer heard something\n"), "{}", bench.lines.text());
}
