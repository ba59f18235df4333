//! What a template may be at most. From "CloudFormation quotas" where AWS has a number.

/// Bytes of a template's text (1 MB, the limit for a template that comes from S3).
pub const TEMPLATE_BYTES_MAX: usize = 1_048_576;
/// Bytes of a template passed in the request itself (`TemplateBody`).
pub const TEMPLATE_BODY_BYTES_MAX: usize = 51_200;
/// How deep values may nest.
pub const DEPTH_MAX: usize = 100;
/// Nodes of the tree after aliases have been expanded: bounds what a few nested aliases can cost.
pub const NODES_MAX: usize = 250_000;
/// Resources in one template.
pub const RESOURCES_MAX: usize = 500;
/// Parameters in one template.
pub const PARAMETERS_MAX: usize = 200;
/// Mappings in one template.
pub const MAPPINGS_MAX: usize = 200;
/// Outputs in one template.
pub const OUTPUTS_MAX: usize = 200;
/// Bytes of one parameter's value.
pub const PARAMETER_VALUE_BYTES_MAX: usize = 4_096;
/// Characters of a logical id.
pub const LOGICAL_ID_CHARS_MAX: usize = 255;
/// Subnets that one `Fn::Cidr` may ask for.
pub const CIDR_COUNT_MAX: u64 = 256;
/// Bytes of a string that a function may build.
pub const STRING_BYTES_MAX: usize = 4 * 1_048_576;
