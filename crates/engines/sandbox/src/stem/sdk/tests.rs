use std::path::{Path, PathBuf};

use super::python::is_import_of_sdk;
use super::{Code, is_read, nodejs};
use crate::runtimes::{Family, Runtime, Version};

#[test]
fn import_statements_name_the_sdk() {
    let cases = [
        ("import boto3", true),
        ("    import json, boto3 as aws", true),
        ("from botocore.config import Config", true),
        ("from boto3.session import Session  # ours", true),
        ("import boto3_mocking", false),
        ("from helpers import boto3_client", false),
        ("# import boto3", false),
        ("text = 'import boto3'", false),
        ("", false),
    ];
    for (line, expected) in cases {
        assert_eq!(is_import_of_sdk(line), expected, "{line}");
    }
}

#[test]
fn variables_that_the_sdk_may_read_when_imported_are_those_that_lambda_does_not_set() {
    let cases = [
        ("HOME", true),
        ("AWS_RETRY_MODE", true),
        ("AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA", true),
        ("BOTO_CONFIG", true),
        ("AWS_ACCESS_KEY_ID", false),
        ("AWS_LAMBDA_FUNCTION_NAME", false),
        ("AWS_LAMBDA_METADATA_TOKEN", false),
        ("TABLE", false),
    ];
    for (name, expected) in cases {
        assert_eq!(is_read(name), expected, "{name}");
    }
}

#[test]
fn sources_of_javascript_name_packages_of_the_sdk() {
    let cases = [
        ("const { S3 } = require('@aws-sdk/client-s3');", true),
        ("import{S3 as a}from\"@aws-sdk/client-s3\";", true),
        ("// uses @aws-sdk/client-s3", false),
        ("require('aws-sdk')", false),
    ];
    for (source, expected) in cases {
        assert_eq!(nodejs::imports_sdk(source), expected, "{source}");
    }
}

/// A runtime with these files under its prefix, a package with those, and a layer.
fn uses_sdk(runtime: (Family, u32, u32), prefix_files: &[&str], package: &[(&str, &str)], layer: &[&str]) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: PathBuf, text: &str| {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let prefix = folder.path().join("lang");
    prefix_files.iter().for_each(|name| write(prefix.join(name), ""));
    let code = Code {
        runtime: PathBuf::new(),
        package: folder.path().join("code"),
        layers: vec![folder.path().join("layer")],
    };
    package.iter().for_each(|(name, text)| write(code.package.join(name), text));
    layer.iter().for_each(|name| write(code.layers[0].join(name), ""));
    let (family, major, minor) = runtime;
    let version = Version { major, minor };
    code.uses_sdk(&Runtime { family, version, path: Path::new("interpreter").into(), prefix, root: None })
}

#[test]
fn boto3_is_the_runtimes_where_the_code_imports_it_and_brings_nothing_of_it() {
    const PYTHON: (Family, u32, u32) = (Family::Python, 3, 12);
    let packages = "lib/python3.12/site-packages";
    let installed = ["boto3", "botocore"].map(|name| format!("{packages}/{name}/__init__.py"));
    let installed: Vec<&str> = installed.iter().map(String::as_str).collect();
    let uses = |package: &[(&str, &str)], layer: &[&str]| uses_sdk(PYTHON, &installed, package, layer);
    let app = ("app.py", "import json\nimport boto3\n");
    assert!(uses(&[app], &[]));
    assert!(uses(&[("shop/orders/table.py", "    from botocore import config\n")], &["python/helper.py"]));
    assert!(!uses_sdk(PYTHON, &[], &[app], &[]));
    assert!(!uses(&[("app.py", "import json\n")], &[]));
    // Too deep to be the function's own.
    assert!(!uses(&[("a/b/c/d.py", "import boto3\n")], &[]));
    for own in ["boto3/__init__.py", "six.py", "queue.py", "zstandard.abi3.so"] {
        assert!(!uses(&[app, (own, "")], &[]), "{own}");
    }
    for own in ["python/urllib3/__init__.py", "python/lib/python3.12/site-packages/jmespath/__init__.py"] {
        assert!(!uses(&[app], &[own]), "{own}");
    }
    assert!(uses(&[app], &["python/lib/python3.11/site-packages/jmespath/__init__.py"]));
}

#[test]
fn the_sdk_for_javascript_is_the_runtimes_where_the_code_brings_nothing_of_it() {
    const NODE: (Family, u32, u32) = (Family::Nodejs, 22, 0);
    let installed = ["lib/node_modules/@aws-sdk/client-s3/package.json"];
    let uses = |package: &[(&str, &str)], layer: &[&str]| uses_sdk(NODE, &installed, package, layer);
    let app = ("src/app.mjs", "import { S3 } from '@aws-sdk/client-s3';");
    assert!(uses(&[app], &["nodejs/node20/node_modules/@aws-sdk/client-s3/package.json"]));
    assert!(!uses_sdk(NODE, &["lib/node_modules/npm/package.json"], &[app], &[]));
    assert!(!uses(&[("app.js", "exports.handler = async () => 1;")], &[]));
    assert!(!uses(&[("node_modules/helper/index.js", "require('@aws-sdk/client-s3')")], &[]));
    assert!(!uses(&[app, ("node_modules/@smithy/core/package.json", "")], &[]));
    for own in
        ["nodejs/node_modules/@aws-sdk/client-s3/package.json", "nodejs/node22/node_modules/@aws-sdk/core/index.js"]
    {
        assert!(!uses(&[app], &[own]), "{own}");
    }
}
