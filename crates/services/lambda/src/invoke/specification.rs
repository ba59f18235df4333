use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base::{Arn, Timestamp};
use fabric::{Credentials as Keys, Fabric};
use sandbox::{EnvironmentSpec, Network, RoleCredentials, Telemetry};
use sha2::{Digest, Sha256};

use super::Inner;
use crate::environment::{Environment, Folders, Held, host_time};
use crate::output::{Format, Level, LogStream, Platform, StreamSpec};
use crate::pool::{Credentials, Instance};
use crate::registry::{NETWORK_TAG, Version};
use crate::snapshot::Snapshot;

/// How long a role's credentials in an environment hold; longer than an environment is used.
const CREDENTIALS_HOLD: Duration = Duration::from_secs(36 * 3_600);
const ID_ALPHABET: &[u8] = b"0123456789abcdef";
const ID_LENGTH: usize = 32;
/// Where Lambda says that the X-Ray daemon is.
const XRAY_DAEMON: &str = "169.254.100.1";
const XRAY_DAEMON_PORT: &str = "2000";
/// Credentials that SDKs get before a snapshot. They ask again for those that expire within ten minutes, so that each
/// environment gets its own.
const SNAPSHOT_CREDENTIALS_HOLD: Duration = Duration::from_secs(9 * 60);
const AUTHORIZATION_LENGTH: usize = 64;

/// What a new environment is made with.
pub(super) struct Specification {
    pub(super) spec: EnvironmentSpec,
    pub(super) log: Arc<LogStream>,
    pub(super) credentials: Credentials,
    pub(super) code: Vec<Held>,
}

impl Specification {
    /// Draws a new environment's id, opens its role's session and its log, unless it goes on with that of one that was
    /// `reset`.
    pub(super) fn make(
        inner: &Inner,
        version: &Version,
        folders: Folders,
        reset: Option<Arc<LogStream>>,
    ) -> Specification {
        let fabric = &inner.fabric;
        let id = fabric.entropy.text(ID_ALPHABET, ID_LENGTH);
        let log = reset.unwrap_or_else(|| {
            let may_have_extensions = !folders.layers.is_empty() || folders.image.is_some();
            let telemetry = if may_have_extensions { Telemetry::new() } else { Telemetry::default() };
            inner.logs.open(stream(fabric, version, &id), telemetry)
        });
        let (credentials, keys) = open_session(fabric, version);
        let mut variables = own_variables(inner, version, log.spec());
        let mut served = None;
        if version.has_snap_start() {
            let keys = served_credentials(fabric, keys);
            variables.extend(keys.variables());
            served = Some(keys);
        } else {
            variables.extend(in_variables(keys));
        }
        variables.extend(version.environment.clone().unwrap_or_default());
        let spec = EnvironmentSpec {
            id,
            runtime: version.runtime.clone().unwrap_or_default(),
            image: folders.image,
            handler: version.handler.clone().unwrap_or_default(),
            code: folders.code,
            layers: folders.layers,
            variables,
            memory_mb: version.memory_mb,
            ephemeral_storage_mb: version.ephemeral_storage_mb,
            network: network(inner, version),
            init_timeout: super::execution::INIT_MAX,
            credentials: served,
            account_id: Some(version.scope.account.to_string()),
            telemetry: log.telemetry().clone(),
        };
        Specification { spec, log, credentials, code: folders.held }
    }

    /// Writes the line that stands before all that is written during init.
    pub(super) fn say_init_start(&self, version: &Version) {
        // Of an image the platform knows no runtime that it could tell.
        let Some(runtime) = version.runtime.as_deref() else { return };
        let (function, runtime_arn) = (&version.function_name, &runtime_arn(version, runtime));
        self.log.platform(None, &Platform::InitStart { function, version: &version.version, runtime, runtime_arn });
    }

    /// Writes the line that stands before all that is written while a snapshot is restored.
    pub(super) fn say_restore_start(&self, version: &Version) {
        let runtime = version.runtime.as_deref().unwrap_or_default();
        let (function, runtime_arn) = (&version.function_name, &runtime_arn(version, runtime));
        self.log.platform(None, &Platform::RestoreStart { function, version: &version.version, runtime, runtime_arn });
    }

    /// Says how its init phase ended.
    pub(super) fn say_init_report(&self, phase: &'static str, duration: Duration, error_type: Option<&str>) {
        self.log.platform(None, &Platform::InitReport { phase, duration, error_type });
    }

    /// The environment that was made with it at `started`.
    pub(super) fn into_instance(
        self,
        environment: Arc<dyn Environment>,
        version: Arc<Version>,
        started: Timestamp,
    ) -> Instance {
        let Specification { log, credentials, code, .. } = self;
        Instance { environment, version, started, used_mb: 0, log, credentials, code }
    }

    /// As it is for the init phase before a snapshot.
    pub(super) fn before_snapshot(mut self) -> Specification {
        if let Some(keys) = &mut self.spec.credentials {
            keys.expiration = expiration(SNAPSHOT_CREDENTIALS_HOLD);
        }
        self
    }

    /// As it is for an environment that is restored from a snapshot.
    pub(super) fn restored(mut self, snapshot: &Snapshot) -> Specification {
        if let Some(keys) = &mut self.spec.credentials {
            keys.authorization.clone_from(&snapshot.authorization);
            self.spec.variables.extend(keys.variables());
        }
        self.spec.init_timeout = super::snapshot::RESTORE_MAX;
        self
    }
}

/// The role's credentials as the environment serves them.
fn served_credentials(fabric: &Fabric, keys: Keys) -> RoleCredentials {
    RoleCredentials {
        access_key_id: keys.access_key,
        secret_access_key: keys.secret_key,
        session_token: keys.session_token,
        expiration: expiration(CREDENTIALS_HOLD),
        authorization: fabric.entropy.text(ID_ALPHABET, AUTHORIZATION_LENGTH),
    }
}

/// A moment of the host's time, by which SDKs see whether credentials are valid.
fn expiration(hold: Duration) -> String {
    Timestamp::from_secs(i64::try_from((host_time() + hold).as_secs()).unwrap_or(i64::MAX)).iso8601()
}

fn in_variables(keys: Keys) -> [(String, String); 3] {
    [
        ("AWS_ACCESS_KEY_ID".to_owned(), keys.access_key),
        ("AWS_SECRET_ACCESS_KEY".to_owned(), keys.secret_key),
        ("AWS_SESSION_TOKEN".to_owned(), keys.session_token),
    ]
}

/// What the function's tag says that it reaches. The tag is looked at when an environment is made.
fn network(inner: &Inner, version: &Version) -> Option<Network> {
    let function = inner.registry.function(&version.scope, &version.function_name)?;
    function.settings.tags.get(NETWORK_TAG)?.parse().ok()
}

/// The ARN by which INIT_START names the runtime's version.
fn runtime_arn(version: &Version, runtime: &str) -> String {
    let digest = wire::checksum::hex(&Sha256::digest(runtime.as_bytes()));
    let region = &version.scope.region;
    format!("arn:{}:lambda:{region}::runtime:{digest}", region.partition())
}

fn stream(fabric: &Fabric, version: &Version, id: &str) -> StreamSpec {
    let name = &version.function_name;
    let group = version.logging.group.clone();
    // In a group of the function's own its name would say nothing.
    let prefix = if group == format!("/aws/lambda/{name}") { "" } else { name };
    let level = |name: &Option<String>| name.as_deref().and_then(Level::parse).unwrap_or(Level::Info);
    let format = match version.logging.is_json() {
        true => Format::Json {
            application: level(&version.logging.application_level),
            system: level(&version.logging.system_level),
        },
        false => Format::Text,
    };
    StreamSpec {
        scope: version.scope.clone(),
        function: name.clone(),
        version: version.version.clone(),
        log_group: group,
        log_stream: format!("{}/{prefix}[{}]{id}", fabric.now().format("%Y/%m/%d"), version.version),
        format,
    }
}

fn open_session(fabric: &Fabric, version: &Version) -> (Credentials, Keys) {
    let role = version.role.parse::<Arn>().map_or_else(|_| version.role.clone(), |arn| arn.name().to_owned());
    let account = version.scope.account.clone();
    let partition = version.scope.region.partition();
    let principal = format!("arn:{partition}:sts::{account}:assumed-role/{role}/{}", version.function_name);
    let expires = fabric.now() + CREDENTIALS_HOLD;
    let (keys, session) = fabric.sessions.open(&fabric.entropy, account, principal, expires);
    let credentials = Credentials { session, access_key: keys.access_key.clone(), sessions: fabric.sessions.clone() };
    (credentials, keys)
}

/// The variables that Lambda sets; the sandbox adds those of the environment itself.
fn own_variables(inner: &Inner, version: &Version, stream: &StreamSpec) -> BTreeMap<String, String> {
    let region = version.scope.region.to_string();
    let mut variables = BTreeMap::from([
        ("AWS_LAMBDA_FUNCTION_NAME", version.function_name.clone()),
        ("AWS_LAMBDA_FUNCTION_VERSION", version.version.clone()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", version.memory_mb.to_string()),
        (
            "AWS_LAMBDA_INITIALIZATION_TYPE",
            if version.has_snap_start() { "snap-start" } else { "on-demand" }.to_owned(),
        ),
        ("AWS_REGION", region.clone()),
        ("AWS_DEFAULT_REGION", region),
        ("AWS_ENDPOINT_URL", inner.config.endpoint.clone()),
        ("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR".to_owned()),
        // Nobody listens there, as on AWS where a function is not traced: libraries only look for the names.
        ("AWS_XRAY_DAEMON_ADDRESS", format!("{XRAY_DAEMON}:{XRAY_DAEMON_PORT}")),
        ("_AWS_XRAY_DAEMON_ADDRESS", XRAY_DAEMON.to_owned()),
        ("_AWS_XRAY_DAEMON_PORT", XRAY_DAEMON_PORT.to_owned()),
    ]);
    // A snapshot must not name the log of one environment, nor hold its secret.
    if !version.has_snap_start() {
        variables.insert("AWS_LAMBDA_LOG_GROUP_NAME", stream.log_group.clone());
        variables.insert("AWS_LAMBDA_LOG_STREAM_NAME", stream.log_stream.clone());
        variables.insert("AWS_LAMBDA_METADATA_TOKEN", inner.fabric.entropy.text(ID_ALPHABET, ID_LENGTH));
    }
    if version.logging.is_json() {
        variables.insert("AWS_LAMBDA_LOG_FORMAT", "JSON".to_owned());
        let level = version.logging.application_level.clone().unwrap_or_else(|| "INFO".to_owned());
        variables.insert("AWS_LAMBDA_LOG_LEVEL", level);
    }
    variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
