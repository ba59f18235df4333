use base::{Account, Region, Scope, Timestamp};

use crate::schema::Protocol;
use crate::sigv4::{Malformed, SKEW, Signature};
use crate::{Caller, Error, Host};

/// The account and region that a signature names, and who calls.
pub(super) fn caller(host: &dyn Host, signature: Option<&Signature>) -> (Scope, Caller) {
    let Some(credential) = signature.map(|signature| &signature.credential) else {
        return (Scope::default(), Caller::default());
    };
    let region = Region::parse(&credential.region).unwrap_or_default();
    let key = credential.access_key.as_str();
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
