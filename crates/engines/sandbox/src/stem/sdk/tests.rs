use std::path::{Path, PathBuf};

use super::{Code, is_import_of_sdk, is_read};
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
        ("BOTO_CONFIG", true),
        ("AWS_ACCESS_KEY_ID", false),
        ("AWS_LAMBDA_FUNCTION_NAME", false),
        ("TABLE", false),
    ];
    for (name, expected) in cases {
        assert_eq!(is_read(name), expected, "{name}");
    }
}

/// A runtime with the SDK, a package with these files, and a layer with those.
fn uses_sdk(with_sdk: bool, package: &[(&str, &str)], layer: &[&str]) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: PathBuf, text: &str| {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let prefix = folder.path().join("lang");
    if with_sdk {
        for package in ["boto3", "botocore"] {
            write(prefix.join("lib/python3.12/site-packages").join(package).join("__init__.py"), "");
        }
    }
    let code = Code {
        runtime: PathBuf::new(),
        package: folder.path().join("code"),
        layers: vec![folder.path().join("layer")],
    };
    package.iter().for_each(|(name, text)| write(code.package.join(name), text));
    layer.iter().for_each(|name| write(code.layers[0].join(name), ""));
    let version = Version { major: 3, minor: 12 };
    code.uses_sdk(&Runtime { family: Family::Python, version, path: Path::new("python").into(), prefix, root: None })
}

#[test]
fn the_sdk_is_the_runtimes_where_the_code_imports_it_and_brings_nothing_of_it() {
    let app = ("app.py", "import json\nimport boto3\n");
    assert!(uses_sdk(true, &[app], &[]));
    assert!(uses_sdk(
        true,
        &[("app.py", ""), ("shop/orders/table.py", "    from botocore import config\n")],
        &["python/helper.py"]
    ));
    assert!(!uses_sdk(false, &[app], &[]));
    assert!(!uses_sdk(true, &[("app.py", "import json\n")], &[]));
    // Too deep to be the function's own.
    assert!(!uses_sdk(true, &[("app.py", ""), ("a/b/c/d.py", "import boto3\n")], &[]));
    for own in ["boto3/__init__.py", "six.py", "queue.py", "zstandard.abi3.so"] {
        assert!(!uses_sdk(true, &[app, (own, "")], &[]), "{own}");
    }
    for own in ["python/urllib3/__init__.py", "python/lib/python3.12/site-packages/jmespath/__init__.py"] {
        assert!(!uses_sdk(true, &[app], &[own]), "{own}");
    }
    assert!(uses_sdk(true, &[app], &["python/lib/python3.11/site-packages/jmespath/__init__.py"]));
}
