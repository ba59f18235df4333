use sandbox::{AddedRuntime, host_runtimes};

use super::Error;
use crate::cli::{Runtime, RuntimeAction};
use crate::print;
use crate::runtimes::{self, Source};

/// Shows, adds or removes runtimes. They are files of the data folder: a server that runs there sees it at once.
pub fn run(command: &Runtime) -> Result<(), Error> {
    let added = runtimes::at(&command.data);
    match &command.action {
        RuntimeAction::List => list(&added.all()),
        RuntimeAction::Add { source, runtime } => {
            let found = Source::of(source)?;
            print::step("Adding", &format!("a runtime from {source}"));
            let new = runtimes::add(&added, &found, runtime.as_deref());
            // What it takes the place of, or what was brought in for nothing.
            runtimes::collect(&added)?;
            let new = new?;
            print::step("Added", &format!("{} to {}", new.runtime.identifier(), command.data.display()));
        }
        RuntimeAction::Remove { runtime } => {
            added.remove(runtime)?;
            let files = match runtimes::collect(&added)? {
                true => "and its files",
                false => "; its files go when Kobel stops, because environments may still use them",
            };
            print::step("Removed", &format!("{runtime} {files}"));
        }
    }
    Ok(())
}

/// The added ones first: they go before the host's of the same version.
fn list(added: &[AddedRuntime]) {
    for AddedRuntime { runtime, from } in added {
        print::line(&format!("{:<16} added  {}", runtime.identifier(), print::dim(from)));
    }
    for runtime in host_runtimes() {
        let identifier = runtime.identifier();
        let hidden = added.iter().any(|added| added.runtime.identifier() == identifier);
        let note = if hidden { " (the added one goes before it)" } else { "" };
        print::line(&format!("{identifier:<16} host   {}", print::dim(&format!("{}{note}", runtime.path.display()))));
    }
}
