//! Runtimes that are forked, from stems and templates: ordered, heard of, adopted.

use std::io;

use rustix::event::epoll;

use super::message::{self, Event, Origin};
use super::stem::{Answer, Stem};
use super::template::{self, Template};
use super::{Child, Launcher, Runtime, STEMS_MAX, Source, Wanted, nursery, sys, watch};

impl Launcher {
    /// Orders the runtime of a sandbox that is open.
    pub(super) fn order(&mut self, child: &Child, wanted: &Wanted) -> io::Result<()> {
        if let Some(origin) = child.origin {
            let template = self.children.get_mut(&origin).and_then(|template| template.template.as_mut());
            let template = template.ok_or_else(|| io::Error::other("the template is gone"))?;
            return nursery::order_from_template(template, &child.sandbox, wanted);
        }
        let Origin::Stem { name, .. } = &wanted.origin else { return Err(io::Error::other("nothing to fork")) };
        let stem = self.stems.values_mut().find(|stem| stem.name == *name);
        nursery::order(stem.ok_or_else(|| io::Error::other("the stem is gone"))?, &child.sandbox, wanted)
    }

    /// Boots a stem.
    pub(super) fn plant(&mut self, specification: message::Stem) -> io::Result<()> {
        let name = specification.name.clone();
        let planted = match self.stems.len() {
            STEMS_MAX.. => Err(io::Error::other(format!("{STEMS_MAX} stems exist already"))),
            _ => Stem::plant(&self.nursery.root, specification, self.as_root),
        };
        match planted {
            Err(error) => self.tell(&Event::Withered { name, reason: error.to_string() }),
            Ok(stem) => {
                self.next_stem += 1;
                watch(&self.events, &stem.socket, Source::Stem(self.next_stem))?;
                self.stems.insert(self.next_stem, stem);
                Ok(())
            }
        }
    }

    /// Hears what a stem says.
    pub(super) fn hear_stem(&mut self, number: u64) -> io::Result<()> {
        let Some(stem) = self.stems.get_mut(&number) else { return Ok(()) };
        match stem.hear() {
            Answer::Booted => {
                let name = stem.name.clone();
                self.tell(&Event::Planted { name })
            }
            Answer::Born { serial, pid: Ok(pid) } => self.adopt(serial, pid),
            Answer::Born { serial, pid: Err(error) } => self.fail(serial, &error),
            Answer::Gone => self.uproot(number),
        }
    }

    /// The runtime is a child of this process now.
    fn adopt(&mut self, serial: u64, pid: i32) -> io::Result<()> {
        let pidfd = match sys::pidfd(pid) {
            Ok(pidfd) => pidfd,
            // It has ended, and was reaped with its sandbox.
            Err(error) => return self.fail(serial, &error),
        };
        let Some(child) = self.children.get_mut(&serial) else {
            // Its sandbox has ended, and took it along.
            return sys::wait(pid).map(drop);
        };
        watch(&self.events, &pidfd, Source::Runtime(serial))?;
        child.runtime = Some(Runtime { pid, _pidfd: pidfd });
        let (id, group) = (child.id.clone(), child.sandbox.group.clone());
        let pids = vec![child.sandbox.pid, pid];
        self.tell(&Event::Started { id, pids, group })
    }

    /// Hears what a template says.
    pub(super) fn hear_template(&mut self, number: u64) -> io::Result<()> {
        let Some(template) = self.children.get_mut(&number).and_then(|child| child.template.as_mut()) else {
            return Ok(());
        };
        match template.hear() {
            template::Answer::Inside { serial, pid } => match self.check(serial, pid) {
                Ok(()) => self.adopt(serial, pid),
                // A hook may have failed, which ends it as soon as it is born: that is told as the end of a runtime is.
                Err(_) if self.is_unknown_child(pid) && sys::has_ended(pid) => self.adopt(serial, pid),
                Err(error) => self.fail(serial, &error),
            },
            template::Answer::Failed { serial, pid, error } => {
                // Not waited for: it may be any process that the template likes to name.
                if self.is_unknown_child(pid) {
                    sys::kill(pid);
                }
                self.fail(serial, &error)
            }
            template::Answer::Gone => self.end_template(number),
        }
    }

    /// Whether the process is what a template's child must be.
    fn check(&self, serial: u64, pid: i32) -> io::Result<()> {
        let child = self.children.get(&serial).ok_or_else(|| io::Error::other("the sandbox is gone"))?;
        if !self.is_unknown_child(pid) {
            return Err(io::Error::other("the template named another process than its child"));
        }
        template::check(pid, child.sandbox.pid)
    }

    /// A template is of no use any more: nothing is ordered from it, and what it owes fails.
    fn end_template(&mut self, number: u64) -> io::Result<()> {
        let Some(child) = self.children.get_mut(&number) else { return Ok(()) };
        let Some(template) = child.template.as_mut() else { return Ok(()) };
        epoll::delete(&self.events, &template.control)?;
        let owed = std::mem::take(&mut template.ordered);
        self.kill(number);
        for serial in owed {
            self.fail(serial, &io::Error::other("the template ended"))?;
        }
        Ok(())
    }

    /// A stem has ended; what it owed fails.
    fn uproot(&mut self, number: u64) -> io::Result<()> {
        let Some(stem) = self.stems.remove(&number) else { return Ok(()) };
        let status = sys::end(stem.pid)?;
        for serial in &stem.ordered {
            self.fail(*serial, &io::Error::other("the stem ended"))?;
        }
        if !stem.ordered.is_empty() {
            self.reap_unknown();
        }
        let reason = format!("it {}: {}", crate::exit::Exit::of_status(status), stem.last_words());
        self.tell(&Event::Withered { name: stem.name, reason })
    }
}

/// The template that a runtime is to be.
pub(super) fn conceive(wanted: &mut Wanted) -> io::Result<Option<Template>> {
    if !matches!(wanted.origin, Origin::Stem { is_template: true, .. }) {
        return Ok(None);
    }
    let (template, control) = Template::conceive()?;
    wanted.control = Some(control);
    Ok(Some(template))
}
