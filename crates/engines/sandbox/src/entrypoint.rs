//! Whether the `bootstrap` of a package or layer can be executed here: told before anything is made, in the words in
//! which AWS tells it.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::error::StartError;
use crate::plan::{is_executable, names_executable};
use crate::spec::EnvironmentSpec;

/// What of a program says how it is executed, in bytes.
const HEAD_BYTES: usize = 256;
/// The place of `e_machine` in an ELF header.
const ELF_MACHINE: usize = 18;
const ELF_CLASS_64: u8 = 2;
const ELF_LITTLE_ENDIAN: u8 = 1;

#[cfg(target_arch = "x86_64")]
const MACHINE: u16 = 62;
#[cfg(target_arch = "aarch64")]
const MACHINE: u16 = 183;

/// Finds the program as [`crate::plan`] does, and looks at its first bytes.
pub(crate) fn check(spec: &EnvironmentSpec) -> Result<(), StartError> {
    if names_executable(spec) {
        return check_file(&spec.code.join(&spec.handler), &format!("/var/task/{}", spec.handler));
    }
    let code = std::iter::once((&spec.code, "/var/task/bootstrap"));
    let places = code.chain(spec.layers.iter().rev().map(|layer| (layer, "/opt/bootstrap")));
    let files: Vec<_> = places.map(|(folder, seen)| (folder.join("bootstrap"), seen)).collect();
    if let Some((file, seen)) = files.iter().find(|(file, _)| is_executable(file)) {
        return check_file(file, seen);
    }
    match files.iter().find(|(file, _)| file.is_file()) {
        Some((_, seen)) => Err(invalid(seen, "permission denied")),
        None => Err(StartError::InvalidEntrypoint),
    }
}

/// `seen` is where the function has the file.
fn check_file(file: &Path, seen: &str) -> Result<(), StartError> {
    match obstacle(file) {
        Ok(None) => Ok(()),
        Ok(Some(reason)) => Err(invalid(seen, reason)),
        Err(error) => Err(StartError::Environment { reason: format!("failed to read `{}`: {error}", file.display()) }),
    }
}

fn invalid(seen: &str, reason: &str) -> StartError {
    StartError::InvalidProgram { reason: format!("fork/exec {seen}: {reason}") }
}

/// Why the kernel would not execute the file.
fn obstacle(file: &Path) -> io::Result<Option<&'static str>> {
    // What the package or a layer brings is where it says only inside of the environment.
    let inside = |interpreter: &str| ["/var/", "/opt/", "/tmp/"].iter().any(|folder| interpreter.starts_with(folder));
    obstacle_of(File::open(file)?, |interpreter| inside(interpreter) || Path::new(interpreter).exists())
}

/// Why the kernel would not execute a program, where `exists` knows the interpreters of scripts.
pub(crate) fn obstacle_of(program: File, exists: impl Fn(&str) -> bool) -> io::Result<Option<&'static str>> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    program.take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    let Some(line) = head.strip_prefix(b"#!") else {
        return Ok((!is_program(&head)).then_some("exec format error"));
    };
    let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let interpreter = line.trim_matches([' ', '\t']).split([' ', '\t']).next().unwrap_or_default();
    Ok((!exists(interpreter)).then_some("no such file or directory"))
}

/// Whether it is an ELF file for this machine.
#[cfg(target_os = "linux")]
fn is_program(head: &[u8]) -> bool {
    let machine = head.get(ELF_MACHINE..ELF_MACHINE + 2).map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]]));
    head.starts_with(&[0x7f, b'E', b'L', b'F', ELF_CLASS_64, ELF_LITTLE_ENDIAN]) && machine == Some(MACHINE)
}

/// Other systems have other formats: their kernels tell.
#[cfg(not(target_os = "linux"))]
fn is_program(_: &[u8]) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elf(class: u8, machine: u16) -> Vec<u8> {
        let mut head = vec![0x7f, b'E', b'L', b'F', class, ELF_LITTLE_ENDIAN];
        head.resize(ELF_MACHINE, 0);
        head.extend(machine.to_le_bytes());
        head
    }

    #[test]
    fn tells_what_cannot_be_executed() {
        let other = if MACHINE == 62 { 183 } else { 62 };
        let cases: [(Vec<u8>, Option<&str>); 10] = [
            (elf(2, MACHINE), None),
            (elf(2, other), Some("exec format error")),
            (elf(1, MACHINE), Some("exec format error")),
            (b"\x7fELF".to_vec(), Some("exec format error")),
            (b"echo no shebang\n".to_vec(), Some("exec format error")),
            (Vec::new(), Some("exec format error")),
            (b"#!/bin/sh\n".to_vec(), None),
            (b"#! /bin/sh -e\n".to_vec(), None),
            (b"#!/opt/bin/own\n".to_vec(), None),
            (b"#!/bin/sh\r\n".to_vec(), Some("no such file or directory")),
        ];
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("bootstrap");
        for (content, expected) in cases {
            std::fs::write(&file, &content).expect("written");
            assert_eq!(obstacle(&file).expect("read"), expected, "{:?}", String::from_utf8_lossy(&content));
        }
    }
}
