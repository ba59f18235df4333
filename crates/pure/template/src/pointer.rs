//! JSON pointers (RFC 6901), the way errors name a place in a template: `/Resources/Queue/Properties`.

/// The steps of a pointer, unescaped.
pub fn steps(path: &str) -> impl Iterator<Item = String> + '_ {
    path.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~"))
}

/// A pointer one step further.
pub fn join(path: &str, step: &str) -> String {
    format!("{path}/{}", step.replace('~', "~0").replace('/', "~1"))
}
