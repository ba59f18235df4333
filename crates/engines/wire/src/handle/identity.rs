use base::{Account, Region, Scope, Timestamp};

use crate::schema::Protocol;
use crate::sigv4::{Malformed, SKEW, Signature};
use crate::{Caller, Error, Host, Parameters};

/// The account and region that a signature names, and who calls. A presigned URL of signature version 2, as clients
/// without a configured region still make them, names a key only.
pub(super) fn caller(host: &dyn Host, signature: Option<&Signature>, query: &Parameters) -> (Scope, Caller) {
    let credential = signature.map(|signature| &signature.credential);
    let legacy = query.get("AWSAccessKeyId").filter(|_| query.get("Signature").is_some());
    let Some(key) = credential.map(|credential| credential.access_key.as_str()).or(legacy) else {
        return (Scope::default(), Caller::default());
    };
    let region = credential.and_then(|credential| Region::parse(&credential.region)).unwrap_or_default();
    let (account, principal) = match (Account::parse(key), host.identify(key)) {
        (_, Some(identity)) => (identity.account, identity.principal),
        (account, None) => {
            let account = account.unwrap_or_default();
            let principal = format!("arn:{}:iam::{account}:root", region.partition());
            (account, principal)
        }
    };
    (Scope { account, region }, Caller { access_key: key.to_owned(), principal, service: None })
}

/// Refuses a presigned URL that is no longer good, or not yet.
pub(super) fn check_expiry(signature: &Signature, now: Timestamp) -> Result<(), Error> {
    let (Some(expires_s), Some(expiry), Some(made)) = (signature.expires_s, signature.expiry(), signature.made())
    else {
        return Ok(());
    };
    if now >= expiry {
        let error = Error::new("AccessDenied", 403, "Request has expired");
        let expiry = expiry.format("%Y-%m-%dT%H:%M:%SZ");
        let error = error.with("X-Amz-Expires", expires_s).with("Expires", expiry);
        return Err(error.with("ServerTime", now.format("%Y-%m-%dT%H:%M:%SZ")));
    }
    if now + SKEW < made {
        return Err(Error::new("AccessDenied", 403, "Request is not valid yet"));
    }
    Ok(())
}

/// Refuses a presigned URL of signature version 2 whose time has passed.
pub(super) fn check_legacy_expiry(query: &Parameters, now: Timestamp) -> Result<(), Error> {
    if query.get("AWSAccessKeyId").is_none() || query.get("Signature").is_none() {
        return Ok(());
    }
    let expires = query.get("Expires").and_then(|expires| expires.parse().ok()).map(Timestamp::from_secs);
    let expires = expires.ok_or_else(|| {
        let message = "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters";
        Error::new("AccessDenied", 403, message)
    })?;
    if now < expires {
        return Ok(());
    }
    let error = Error::new("AccessDenied", 403, "Request has expired");
    let error = error.with("Expires", expires.format("%Y-%m-%dT%H:%M:%SZ"));
    Err(error.with("ServerTime", now.format("%Y-%m-%dT%H:%M:%SZ")))
}

/// The family's error for a signature that cannot be read.
pub(super) fn malformed(malformed: Malformed, protocol: Protocol) -> Error {
    let s3 = protocol == Protocol::RestXml;
    match malformed {
        Malformed::Header if s3 => {
            Error::new("AuthorizationHeaderMalformed", 400, "The authorization header is malformed.")
        }
        Malformed::Query if s3 => {
            let message = "Query-string authentication requires well-formed X-Amz-Algorithm, X-Amz-Credential, \
                           X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.";
            Error::new("AuthorizationQueryParametersError", 400, message)
        }
        Malformed::Both if s3 => {
            let message = "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query \
                           string parameter or the Authorization header should be specified";
            Error::new("InvalidArgument", 400, message)
        }
        _ if protocol == Protocol::Query => Error::new("IncompleteSignature", 400, malformed.to_string()),
        _ => {
            let status = if protocol == Protocol::RestJson { 403 } else { 400 };
            Error::new("IncompleteSignatureException", status, malformed.to_string())
        }
    }
}
