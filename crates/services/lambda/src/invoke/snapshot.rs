//! Takes snapshots of versions with SnapStart, and restores them.

use std::sync::Arc;
use std::time::Duration;

use sandbox::StartError;
use wire::Error;

use super::specification::Specification;
use super::{Inner, Invoker};
use crate::output::Platform;
use crate::registry::Version;
use crate::snapshot::{Snapshot, State};

/// How long the init phase of a snapshot may take at least, as on Lambda.
const INIT_MIN: Duration = Duration::from_secs(130);
/// How long a restoring may take, hooks included, as on Lambda.
pub(super) const RESTORE_MAX: Duration = Duration::from_secs(10);

/// What an invocation of a version with SnapStart starts from.
pub(super) enum Origin {
    Snapshot(Arc<Snapshot>),
    /// Nothing: the environment runs its whole init.
    Start,
}

impl Invoker {
    /// Begins to take the snapshot of a version that was just published.
    pub fn snapshot(&self, version: &Arc<Version>) {
        if version.has_snap_start() && self.inner.snapshots.begin(version) {
            self.inner.clone().take_snapshot(version.clone());
        }
    }

    /// Takes the snapshots of all published versions again, one after the other, in the background.
    pub fn renew_snapshots(&self) {
        let versions: Vec<_> = self.inner.registry.versions();
        let versions: Vec<_> = versions.into_iter().filter(|version| version.has_snap_start()).collect();
        versions.iter().for_each(|version| self.inner.snapshots.note(version));
        let inner = Arc::downgrade(&self.inner);
        tokio::spawn(async move {
            for version in versions {
                let Some(inner) = inner.upgrade() else { return };
                if inner.is_current(&version) && inner.snapshots.renew(&version) {
                    inner.make_snapshot(&version).await;
                }
            }
        });
    }
}

impl Inner {
    fn take_snapshot(self: Arc<Inner>, version: Arc<Version>) {
        tokio::spawn(async move { self.make_snapshot(&version).await });
    }

    async fn make_snapshot(&self, version: &Arc<Version>) {
        let state = match self.run_init(version).await {
            Ok(snapshot) => State::Taken(Arc::new(snapshot)),
            Err(Fault::Start(StartError::Unforkable { reason })) => State::Without(reason),
            Err(Fault::Start(error)) if !error.is_service_fault() => State::Failed(reason_of(&error)),
            Err(Fault::Start(error)) => State::Without(error.to_string()),
            Err(Fault::Code(error)) => State::Without(error.message),
        };
        if let State::Without(reason) = &state {
            let version = version.qualified_arn();
            tracing::info!(%version, %reason, "no snapshot is kept: environments run the whole init");
        }
        self.snapshots.finish(version, state);
        self.snapshots.retain(|version| self.is_current(version));
        self.forget_code_of(version).await;
    }

    async fn run_init(&self, version: &Arc<Version>) -> Result<Snapshot, Fault> {
        let folders = self.packages.folders(version).await.map_err(Fault::Code)?;
        let mut made = Specification::make(self, version, folders, None).before_snapshot();
        made.spec.init_timeout = INIT_MIN.max(Duration::from_secs(u64::from(version.timeout_s)));
        made.say_init_start(version);
        let authorization = made.spec.credentials.as_ref().map(|keys| keys.authorization.clone()).unwrap_or_default();
        let started = super::execution::now();
        let result = self.environments.make_template(made.spec, made.log.clone()).await;
        match result {
            Ok(template) => Ok(Snapshot {
                version: version.clone(),
                template,
                authorization,
                credentials: made.credentials,
                code: made.code,
            }),
            Err(error) => {
                if !error.is_service_fault() {
                    let error_type = Some(error.error_type());
                    made.log.platform(
                        None,
                        &Platform::InitReport { phase: "init", duration: started.elapsed(), error_type },
                    );
                }
                Err(Fault::Start(error))
            }
        }
    }

    /// What a new environment of the version starts from.
    pub(super) fn origin(self: &Arc<Inner>, version: &Arc<Version>) -> Result<Origin, Error> {
        if !version.has_snap_start() {
            return Ok(Origin::Start);
        }
        if let Some(snapshot) = self.snapshots.take(version) {
            return Ok(Origin::Snapshot(snapshot));
        }
        match self.snapshots.state(version) {
            Some(State::Pending) => Err(model_lambda::errors::snap_start_not_ready_exception(
                "Lambda is initializing your function. It will be ready to invoke once your function state becomes \
                 active.",
            )),
            Some(State::Failed(reason)) => Err(model_lambda::errors::snap_start_exception(reason)),
            Some(State::Renewing | State::Without(_) | State::Taken(_)) => Ok(Origin::Start),
            Some(State::Gone) | None => {
                if self.snapshots.renew(version) {
                    self.clone().take_snapshot(version.clone());
                }
                Ok(Origin::Start)
            }
        }
    }
}

/// Why there is no snapshot.
enum Fault {
    Start(StartError),
    Code(Error),
}

/// The function's state reason where its init failed.
fn reason_of(error: &StartError) -> String {
    let payload: serde_json::Value = serde_json::from_slice(&error.payload("")).unwrap_or_default();
    match payload["errorMessage"].as_str() {
        Some(message) => format!("{}: {message}", error.error_type()),
        None => error.error_type().to_owned(),
    }
}
