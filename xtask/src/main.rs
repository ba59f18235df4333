use std::process::ExitCode;

use xtask::{codegen, tidy, workspace_root};

const USAGE: &str = "usage: cargo xtask codegen [--check]   write the interface models (or say which are not current)
       cargo xtask tidy                check the invariants of the architecture";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["codegen"] => codegen::write(&workspace_root()),
        ["codegen", "--check"] => codegen::check(&workspace_root()),
        ["tidy"] => tidy::check(&workspace_root()),
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
