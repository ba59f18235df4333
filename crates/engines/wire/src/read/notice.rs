use super::Unreadable;
use crate::schema::Member;

/// How deep structures, lists and maps may be nested.
const DEPTH_MAX: usize = 64;
/// How many ignored members are named to a caller.
const IGNORED_MAX: usize = 32;

/// Where a reader is, and which members it met that Kobel does not honour.
#[derive(Debug, Default)]
pub struct Notice {
    path: Vec<&'static str>,
    depth: usize,
    ignored: Vec<String>,
}

impl Notice {
    /// Notes that a member is set which Kobel does not honour.
    pub(crate) fn ignore(&mut self, member: &Member) {
        let mut path = self.path.join(".");
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(member.name);
        if self.ignored.len() < IGNORED_MAX && !self.ignored.contains(&path) {
            self.ignored.push(path);
        }
    }

    pub(crate) fn enter(&mut self, member: &Member) {
        self.path.push(member.name);
    }

    pub(crate) fn leave(&mut self) {
        self.path.pop();
    }

    /// Goes one level down; [`Notice::up`] comes back.
    pub(crate) fn down(&mut self) -> Result<(), Unreadable> {
        self.depth += 1;
        if self.depth > DEPTH_MAX { Err(Unreadable::Deep) } else { Ok(()) }
    }

    pub(crate) fn up(&mut self) {
        self.depth -= 1;
    }

    /// The ignored members by their paths of model names, such as `VpcConfig.Ipv6AllowedForDualStack`.
    pub fn into_ignored(self) -> Vec<String> {
        self.ignored
    }
}
