//! Compiles the stem's library, which is carried in the program and loaded by interpreters.

use std::path::PathBuf;
use std::process::Command;

const SOURCE: &str = "../../../runtimes/stem/stem.c";

fn main() {
    println!("cargo::rerun-if-changed={SOURCE}");
    let output = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("stem.so");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        compile(&output);
    } else {
        std::fs::write(&output, "").expect("OUT_DIR is writable");
    }
}

fn compile(output: &PathBuf) {
    let compiler = cc::Build::new().get_compiler();
    let mut command: Command = compiler.to_command();
    command.args(["-std=gnu11", "-Wall", "-Wextra", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-s"]);
    command.arg(SOURCE).arg("-o").arg(output);
    let status = command.status().unwrap_or_else(|error| panic!("failed to run {command:?}: {error}"));
    assert!(status.success(), "{command:?} failed");
}
