/// What somebody wants to do, as far as a resource policy can speak of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Request<'a> {
    /// The service principal that asks: `sns.amazonaws.com`; empty where none does.
    pub service: &'a str,
    /// The account of an AWS principal that asks; empty where none does.
    pub account: &'a str,
    /// `sqs:SendMessage`.
    pub action: &'a str,
    /// The ARN of the resource.
    pub resource: &'a str,
    /// `aws:SourceArn`: on whose behalf a service asks; empty where there is none.
    pub source_arn: &'a str,
    /// `aws:SourceAccount`; empty where there is none.
    pub source_account: &'a str,
}

/// What a document says to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Allowed,
    /// A statement forbids it.
    Denied,
    /// No statement speaks of it.
    Silent,
}
