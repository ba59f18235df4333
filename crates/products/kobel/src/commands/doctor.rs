use sandbox::{Config, Family, Feature, Sandbox};

use super::Error;
use crate::{cli, print, runtimes};

/// Tells what this machine gives, and exits with an error if nothing could run.
pub fn run(doctor: &cli::Doctor) -> Result<(), Error> {
    let folder = tempfile::tempdir().map_err(|source| Error::Io { path: std::env::temp_dir(), source })?;
    let (isolation, machines) = (doctor.isolation.into(), (&doctor.machines).into());
    let defaults = Config::new(folder.path(), 4566, std::sync::Arc::new(|_, _| {}));
    let (network, added_runtimes) = ((&doctor.network).into(), Some(runtimes::at(&doctor.data)));
    let config = Config { isolation, machines, network, added_runtimes, ..defaults };
    let sandbox = Sandbox::open(config)?;
    show_runtimes(&sandbox);
    let capabilities = sandbox.capabilities();
    print::line(&format!("\nIsolation: {}", capabilities.driver));
    if let Some(reason) = &capabilities.reason {
        print::line(&format!("  {}", print::verdict(reason, false)));
    }
    capabilities.features.iter().for_each(show_feature);
    #[cfg(target_os = "linux")]
    if doctor.isolation != cli::Isolation::Microvm {
        print::line("\nInstead");
        show_feature(&sandbox.microvms());
    }
    Ok(())
}

fn show_feature(feature: &Feature) {
    let mark = print::verdict(if feature.on { "yes" } else { "no " }, feature.on);
    print::line(&format!("  {mark}  {:<16} {}", feature.name, print::dim(&feature.detail)));
}

/// The interpreters that are here with how functions start on them, and how to get those that are not.
fn show_runtimes(sandbox: &Sandbox) {
    const REMEDIES: [(Family, &str); 5] = [
        (Family::Python, "install Python 3 (Debian: apt-get install python3)"),
        (Family::Nodejs, "install Node.js (Debian: apt-get install nodejs)"),
        (Family::Java, "install a JDK (Debian: apt-get install default-jdk-headless)"),
        (Family::Ruby, "install Ruby 3 (Debian: apt-get install ruby)"),
        (Family::Dotnet, "install .NET from https://dot.net and let DOTNET_ROOT name its folder"),
    ];
    let found = sandbox.runtimes();
    print::line("Runtimes");
    for runtime in &found {
        let (mode, why) = sandbox.start_mode(runtime);
        let inside = if runtime.root.is_some() { " of an added image" } else { "" };
        let detail = print::dim(&format!("{}{inside}; {why}", runtime.path.display()));
        print::line(&format!("  {}  {:<16} {mode:<7} {detail}", print::verdict("yes", true), runtime.identifier()));
    }
    print::line(&format!(
        "  {}  {:<16} {:<7} {}",
        print::verdict("yes", true),
        "provided",
        sandbox::StartMode::Exec,
        print::dim("any executable named bootstrap")
    ));
    for (family, remedy) in REMEDIES {
        if !found.iter().any(|runtime| runtime.family == family) {
            print::line(&format!("  {}  {family:<16} {remedy}", print::verdict("no ", false)));
        }
    }
}
