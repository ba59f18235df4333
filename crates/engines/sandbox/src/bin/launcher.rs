//! The launcher as a program of its own: tests use it in place of the `kobel` binary.

#[cfg(target_os = "linux")]
fn main() {
    if std::env::args().nth(1).as_deref() == Some(sandbox::LAUNCHER_ARGUMENT) {
        sandbox::launcher_main();
    }
    if std::env::args().nth(1).as_deref() == Some(sandbox::GUEST_ARGUMENT) {
        sandbox::guest_main();
    }
    eprintln!("this program is started by the server with {}", sandbox::LAUNCHER_ARGUMENT);
    std::process::exit(2);
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("the launcher exists on Linux only");
    std::process::exit(2);
}
