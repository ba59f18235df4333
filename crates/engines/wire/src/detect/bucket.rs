/// The bucket in a virtual-hosted request's host: `b.s3.eu-central-1.amazonaws.com`, `b.localhost`, or `b.` before
/// another name under which Kobel is reached. `host` is without its port and in lower case.
pub(super) fn of_host<'a>(hosts: &[String], host: &'a str) -> Option<&'a str> {
    if host.parse::<std::net::IpAddr>().is_ok() || host.starts_with('[') {
        return None;
    }
    if let Some(bucket) = before_s3(host) {
        return bucket;
    }
    if hosts.iter().any(|known| known == host) {
        return None;
    }
    // The longest name first: `s3.kobel.internal` before `kobel.internal`.
    let mut known: Vec<&String> = hosts.iter().collect();
    known.sort_by_key(|name| std::cmp::Reverse(name.len()));
    known.into_iter().find_map(|name| bucket_before(host, name))
}

fn bucket_before<'a>(host: &'a str, name: &str) -> Option<&'a str> {
    host.strip_suffix(name)?.strip_suffix('.').filter(|bucket| !bucket.is_empty())
}

/// `Some(None)`: the host is S3's own, without a bucket.
fn before_s3(host: &str) -> Option<Option<&str>> {
    if host == "s3" || host.starts_with("s3.") || host.starts_with("s3-") {
        return Some(None);
    }
    let at = host.rfind(".s3.").or_else(|| host.rfind(".s3-"))?;
    Some(Some(&host[..at]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_buckets() {
        let hosts = ["localhost".to_owned(), "kobel.internal".to_owned()];
        let cases = [
            ("localhost", None),
            ("127.0.0.1", None),
            ("::1", None),
            ("up.localhost", Some("up")),
            ("a.b.localhost", Some("a.b")),
            ("kobel.internal", None),
            ("up.kobel.internal", Some("up")),
            ("up.s3.eu-central-1.amazonaws.com", Some("up")),
            ("up.s3.amazonaws.com", Some("up")),
            ("s3.amazonaws.com", None),
            ("s3-eu-west-1.amazonaws.com", None),
            ("up.s3.localhost", Some("up")),
            ("example.com", None),
        ];
        for (host, bucket) in cases {
            assert_eq!(of_host(&hosts, host), bucket, "{host}");
        }
    }
}
