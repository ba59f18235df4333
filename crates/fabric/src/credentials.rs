use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base::{Account, Entropy, Timestamp, Trace};

/// How many sessions are remembered; the oldest are forgotten first.
const SESSIONS_MAX: usize = 20_000;

const KEY_ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const SECRET_ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Temporary credentials, as STS and an execution environment get them.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub access_key: String,
    pub secret_key: String,
    pub session_token: String,
    pub expires: Timestamp,
}

/// Whom a session's credentials stand for.
#[derive(Debug)]
pub struct Session {
    pub account: Account,
    /// `arn:aws:sts::<account>:assumed-role/<role>/<session>`.
    pub principal: String,
    /// What the session does at the moment: a call without a trace header continues this trace, so that what a
    /// function does is known as its doing even where its code speaks plain HTTP.
    current: Mutex<Option<Trace>>,
}

/// The sessions that Kobel has given credentials for, by access key.
#[derive(Default)]
pub struct Sessions {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    by_key: HashMap<String, Arc<Session>>,
    order: VecDeque<String>,
}

impl Sessions {
    /// Opens a session and returns its credentials.
    pub fn open(
        &self,
        entropy: &Entropy,
        account: Account,
        principal: String,
        expires: Timestamp,
    ) -> (Credentials, Arc<Session>) {
        let credentials = Credentials {
            access_key: format!("ASIA{}", entropy.text(KEY_ALPHABET, 16)),
            secret_key: entropy.text(SECRET_ALPHABET, 40),
            session_token: entropy.text(SECRET_ALPHABET, 120),
            expires,
        };
        let session = Arc::new(Session { account, principal, current: Mutex::new(None) });
        let mut known = lock(&self.known);
        known.by_key.insert(credentials.access_key.clone(), session.clone());
        known.order.push_back(credentials.access_key.clone());
        if known.order.len() > SESSIONS_MAX
            && let Some(oldest) = known.order.pop_front()
        {
            known.by_key.remove(&oldest);
        }
        (credentials, session)
    }

    pub fn get(&self, access_key: &str) -> Option<Arc<Session>> {
        lock(&self.known).by_key.get(access_key).cloned()
    }

    /// Forgets a session whose environment has ended.
    pub fn close(&self, access_key: &str) {
        lock(&self.known).by_key.remove(access_key);
    }
}

impl Session {
    pub fn current(&self) -> Option<Trace> {
        lock(&self.current).clone()
    }

    pub fn set_current(&self, trace: Option<Trace>) {
        *lock(&self.current) = trace;
    }
}

impl std::fmt::Debug for Credentials {
    /// Secrets stay out of logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_session_is_forgotten_first() {
        let sessions = Sessions::default();
        let entropy = Entropy::seeded(1);
        let open = || sessions.open(&entropy, Account::default(), "p".into(), Timestamp::EPOCH).0.access_key;
        let first = open();
        let second = open();
        for _ in 0..SESSIONS_MAX - 1 {
            open();
        }
        assert!(sessions.get(&first).is_none());
        assert!(sessions.get(&second).is_some());
    }

    #[test]
    fn secrets_are_not_shown() {
        let (credentials, _) =
            Sessions::default().open(&Entropy::seeded(1), Account::default(), "p".into(), Timestamp::EPOCH);
        let shown = format!("{credentials:?}");
        assert!(!shown.contains(&credentials.secret_key) && !shown.contains(&credentials.session_token));
    }
}
