//! Compiles what runs inside environments and cannot be compiled where it runs: the stem's library, which interpreters
//! load, the init of virtual machines, and the bootstrap of .NET, since hosts with a .NET runtime often have no compiler.
//! All are carried in the program.

use std::path::{Path, PathBuf};
use std::process::Command;

const STEM: &str = "../../../runtimes/stem";
const INIT: &str = "src/bin/guest_init.rs";
const DOTNET: &str = "../../../runtimes/dotnet";
/// Mono's C# compiler: what it makes runs on every .NET, which still knows the names of its core library.
const CSHARP_COMPILER: &str = "mcs";

fn main() {
    println!("cargo::rerun-if-changed={STEM}");
    println!("cargo::rerun-if-changed={DOTNET}");
    println!("cargo::rerun-if-changed={INIT}");
    let output = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let (library, init) = (output.join("stem.so"), output.join("guest-init"));
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        compile_stem(&library);
        compile_init(&init);
    } else {
        for absent in [library, init] {
            std::fs::write(absent, "").expect("OUT_DIR is writable");
        }
    }
    compile_dotnet(&output);
}

/// Without a compiler the program carries none, and says so when a function needs it.
fn compile_dotnet(output: &Path) {
    let assembly = output.join("kobel-lambda.dll");
    if Command::new(CSHARP_COMPILER).arg("--version").output().is_err() {
        println!(
            "cargo::warning=no `{CSHARP_COMPILER}` was found: this build runs no .NET functions (Debian: mono-mcs)"
        );
        return std::fs::write(&assembly, "").expect("OUT_DIR is writable");
    }
    let folder = Path::new(DOTNET);
    // What the function brings is only known by its name here, and is not carried.
    let reference = output.join("Amazon.Lambda.Core.dll");
    let mut command = csharp("library", &reference);
    command.arg(folder.join("reference/AmazonLambdaCore.cs"));
    run(command);
    let mut command = csharp("exe", &assembly);
    command.arg(format!("-r:{}", reference.display())).args(sources(folder, "cs"));
    run(command);
}

fn csharp(target: &str, output: &Path) -> Command {
    let mut command = Command::new(CSHARP_COMPILER);
    command
        .args(["-optimize+", "-warnaserror+"])
        .arg(format!("-target:{target}"))
        .arg(format!("-out:{}", output.display()));
    command
}

fn sources(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries =
        std::fs::read_dir(folder).unwrap_or_else(|error| panic!("failed to read {}: {error}", folder.display()));
    let files = entries.map(|entry| entry.expect("the folder can be read").path());
    let mut files: Vec<PathBuf> =
        files.filter(|file| file.extension().is_some_and(|extension| extension == ending)).collect();
    files.sort();
    files
}

fn run(mut command: Command) {
    let status = command.status().unwrap_or_else(|error| panic!("failed to run {command:?}: {error}"));
    assert!(status.success(), "{command:?} failed");
}

fn compile_stem(output: &Path) {
    let compiler = cc::Build::new().get_compiler();
    let mut command: Command = compiler.to_command();
    command.args(["-std=gnu11", "-Wall", "-Wextra", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-s"]);
    command.args(sources(Path::new(STEM), "c")).arg("-o").arg(output);
    run(command);
}

/// Links it statically, which needs a static C library. Without one virtual machines are refused later, with this reason.
fn compile_init(output: &Path) {
    let variable = |name: &str| std::env::var_os(name).unwrap_or_else(|| panic!("cargo sets {name}"));
    let mut command = Command::new(variable("RUSTC"));
    command.args(["--edition", "2024", "--crate-name", "guest_init", "--crate-type", "bin", "--target"]);
    command.arg(variable("TARGET"));
    for option in ["target-feature=+crt-static", "panic=abort", "opt-level=s", "strip=symbols"] {
        command.args(["-C", option]);
    }
    if let Some(linker) = std::env::var_os("RUSTC_LINKER") {
        command.arg(format!("-Clinker={}", linker.to_string_lossy()));
    }
    command.arg(INIT).arg("-o").arg(output);
    let status = command.status().unwrap_or_else(|error| panic!("failed to run {command:?}: {error}"));
    if !status.success() {
        println!("cargo::warning=without a static C library `--isolation microvm` is not available");
        std::fs::write(output, "").expect("OUT_DIR is writable");
    }
}
