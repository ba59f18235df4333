//! AWS STS: temporary credentials, and who one is.

use std::sync::Arc;
use std::time::Duration;

use base::{Account, Arn};
use model_sts as model;
use model_sts::{
    AssumeRoleRequest, AssumeRoleResponse, AssumeRoleWithWebIdentityRequest, AssumeRoleWithWebIdentityResponse,
    AssumedRoleUser, Credentials, GetCallerIdentityRequest, GetCallerIdentityResponse, GetSessionTokenRequest,
    GetSessionTokenResponse,
};
use wire::{Call, Error};

use crate::service::Iam;

pub(crate) fn api(service: Arc<Iam>) -> Arc<wire::Api> {
    wire::Api::builder(&model::SERVICE, service)
        .on::<model::GetCallerIdentity, _, _, _>(get_caller_identity)
        .on::<model::AssumeRole, _, _, _>(assume_role)
        .on::<model::AssumeRoleWithWebIdentity, _, _, _>(assume_role_with_web_identity)
        .on::<model::GetSessionToken, _, _, _>(get_session_token)
        .build()
}

async fn get_caller_identity(
    _: Arc<Iam>,
    call: Call,
    _: GetCallerIdentityRequest,
) -> Result<GetCallerIdentityResponse, Error> {
    let arn = call.caller.principal;
    // The id of a session ends with its name; that of the account's root is the account's.
    let user_id = match arn.contains(":assumed-role/") {
        true => format!("{}:{}", call.caller.access_key, arn.rsplit('/').next().unwrap_or_default()),
        false => call.scope.account.to_string(),
    };
    Ok(GetCallerIdentityResponse {
        user_id: Some(user_id),
        account: Some(call.scope.account.to_string()),
        arn: Some(arn),
    })
}

async fn assume_role(iam: Arc<Iam>, call: Call, input: AssumeRoleRequest) -> Result<AssumeRoleResponse, Error> {
    let seconds = input.duration_seconds.unwrap_or(3_600);
    let (credentials, user) = assume(&iam, &call, &input.role_arn, &input.role_session_name, seconds).await?;
    Ok(AssumeRoleResponse {
        credentials: Some(credentials),
        assumed_role_user: Some(user),
        packed_policy_size: None,
        source_identity: input.source_identity,
    })
}

/// The token is taken as it is: Kobel knows no identity provider that could vouch for it.
async fn assume_role_with_web_identity(
    iam: Arc<Iam>,
    call: Call,
    input: AssumeRoleWithWebIdentityRequest,
) -> Result<AssumeRoleWithWebIdentityResponse, Error> {
    let seconds = input.duration_seconds.unwrap_or(3_600);
    let (credentials, user) = assume(&iam, &call, &input.role_arn, &input.role_session_name, seconds).await?;
    Ok(AssumeRoleWithWebIdentityResponse {
        credentials: Some(credentials),
        assumed_role_user: Some(user),
        provider: input.provider_id,
        ..AssumeRoleWithWebIdentityResponse::default()
    })
}

async fn assume(
    iam: &Iam,
    call: &Call,
    role_arn: &str,
    session: &str,
    seconds: i32,
) -> Result<(Credentials, AssumedRoleUser), Error> {
    let denied = || {
        let message = format!(
            "User: {} is not authorized to perform: sts:AssumeRole on resource: {role_arn}",
            call.caller.principal
        );
        Error::new("AccessDenied", 403, message)
    };
    let arn: Arn =
        role_arn.parse().map_err(|_| Error::new("ValidationError", 400, format!("{role_arn} is invalid")))?;
    let account = Account::parse(&arn.account).ok_or_else(denied)?;
    let cell = iam.account_of(account.as_str()).await?;
    let role = cell.read(|account| account.roles.get(arn.name()).cloned()).await.map_err(Error::internal)?;
    let role = role.filter(|role| role.arn == role_arn).ok_or_else(denied)?;
    if seconds > role.max_session_s {
        let message = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.";
        return Err(Error::new("ValidationError", 400, message));
    }
    let principal = format!("arn:aws:sts::{account}:assumed-role/{}/{session}", role.name);
    let credentials = open(iam, account, principal.clone(), seconds);
    let user = AssumedRoleUser { assumed_role_id: format!("{}:{session}", role.id), arn: principal };
    Ok((credentials, user))
}

async fn get_session_token(
    iam: Arc<Iam>,
    call: Call,
    input: GetSessionTokenRequest,
) -> Result<GetSessionTokenResponse, Error> {
    let seconds = input.duration_seconds.unwrap_or(43_200);
    let credentials = open(&iam, call.scope.account.clone(), call.caller.principal, seconds);
    Ok(GetSessionTokenResponse { credentials: Some(credentials) })
}

fn open(iam: &Iam, account: Account, principal: String, seconds: i32) -> Credentials {
    let expires = iam.fabric.now() + Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    let (credentials, _) = iam.fabric.sessions.open(&iam.fabric.entropy, account, principal, expires);
    Credentials {
        access_key_id: credentials.access_key,
        secret_access_key: credentials.secret_key,
        session_token: credentials.session_token,
        expiration: credentials.expires,
    }
}
