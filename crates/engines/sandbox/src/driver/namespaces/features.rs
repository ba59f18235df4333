//! What this host gives to sandboxes, for people to read.

use super::client::Prepared;
use crate::capabilities::Feature;
use crate::network::Network;

/// Each feature, with how it is done or what would help.
pub(super) fn of(asked: Option<Network>, prepared: &Prepared) -> Vec<Feature> {
    let who = if prepared.as_root { "as root" } else { "without root, in a user namespace" };
    let how = format!("control groups, version {}", prepared.group_version);
    let limited = |name, controller: &str, on: bool, instead: &str| {
        if on {
            return Feature::on(name, how.clone());
        }
        let reason = prepared.missing.iter().find(|reason| reason.contains(controller)).map_or("", String::as_str);
        Feature::off(name, format!("{instead}; run as root or delegate control groups to Kobel ({reason})"))
    };
    let [memory, cpu, pids, freezer] = prepared.controllers;
    vec![
        Feature::on("namespaces", format!("user, mount, pid, net, ipc, uts, cgroup; the launcher runs {who}")),
        Feature::on("read-only root", "the host's /usr and an interpreter; code at /var/task, layers at /opt"),
        network(asked, prepared),
        Feature::on("seccomp", "filter, no_new_privs, no capabilities"),
        limited("memory limit", "memory", memory, "by looking at resident memory while a function works"),
        limited("pids limit", "pids", pids, "by RLIMIT_NPROC in the user namespace"),
        limited("CPU share", "cpu", cpu, "all functions weigh the same"),
        limited("freezer", "freezer", freezer, "by SIGSTOP"),
        paging_feature(prepared),
        Feature::on("/tmp size", "tmpfs of the configured size"),
    ]
}

/// Whether the memory of idle environments can be paged out.
fn paging_feature(prepared: &Prepared) -> Feature {
    const NAME: &str = "page out";
    let by_group = prepared.group_version == 2 && prepared.controllers[0];
    match (crate::host::has_swap(), by_group || prepared.as_root) {
        (false, _) => Feature::off(NAME, "idle environments keep their memory: add swap, such as zram"),
        (true, false) => {
            Feature::off(NAME, "idle environments keep their memory: it takes root, or control groups of version 2")
        }
        (true, true) => Feature::on(NAME, "to swap, when an environment has been idle for long"),
    }
}

/// What functions reach that say nothing else, where `asked` is what the server was told.
fn network(asked: Option<Network>, prepared: &Prepared) -> Feature {
    let of_own = "network of its own:";
    match (asked, &prepared.no_outside) {
        (Some(Network::None), _) => Feature::on("network", format!("{of_own} loopback with nothing")),
        (Some(Network::Kobel), _) => Feature::on("network", format!("{of_own} loopback with Kobel's endpoint")),
        (_, None) => Feature::on("network", format!("{of_own} Kobel's endpoint, and the outside through a gateway")),
        (_, Some(reason)) => Feature::off("network", format!("{of_own} Kobel's endpoint only; {reason}")),
    }
}
