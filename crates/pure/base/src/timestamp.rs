use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// A moment: microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    pub const EPOCH: Timestamp = Timestamp(0);
    /// Later than every moment Kobel handles.
    pub const NEVER: Timestamp = Timestamp(i64::MAX);

    pub const fn from_micros(micros: i64) -> Timestamp {
        Timestamp(micros)
    }

    pub const fn from_millis(millis: i64) -> Timestamp {
        Timestamp(millis.saturating_mul(1_000))
    }

    pub const fn from_secs(secs: i64) -> Timestamp {
        Timestamp(secs.saturating_mul(1_000_000))
    }

    /// Seconds since the epoch with their fraction, as JSON protocols carry a timestamp.
    pub fn from_secs_f64(secs: f64) -> Timestamp {
        Timestamp((secs * 1e6).round() as i64)
    }

    pub const fn micros(self) -> i64 {
        self.0
    }

    pub const fn millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    pub const fn secs(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Seconds since the epoch, to the millisecond, as JSON protocols carry a timestamp.
    pub fn secs_f64(self) -> f64 {
        self.millis() as f64 / 1_000.0
    }

    /// How long after `earlier` this is; zero if it is not.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// `2026-01-02T03:04:05.678Z`.
    pub fn iso8601(self) -> String {
        self.format("%Y-%m-%dT%H:%M:%S.%3fZ")
    }

    /// `2026-01-02T03:04:05.678+0000`, the form of Lambda's `LastModified`.
    pub fn iso8601_offset(self) -> String {
        self.format("%Y-%m-%dT%H:%M:%S.%3f+0000")
    }

    /// `Fri, 02 Jan 2026 03:04:05 GMT`, the form of HTTP headers (IMF-fixdate).
    pub fn http_date(self) -> String {
        self.format("%a, %d %b %Y %H:%M:%S GMT")
    }

    /// The moment in UTC by a strftime format (`%3f` is milliseconds).
    pub fn format(self, format: &str) -> String {
        jiff::Timestamp::from_microsecond(self.0)
            .unwrap_or(jiff::Timestamp::MAX)
            .to_zoned(jiff::tz::TimeZone::UTC)
            .strftime(format)
            .to_string()
    }

    /// Reads ISO-8601 with `Z` or an offset.
    pub fn parse_iso8601(text: &str) -> Option<Timestamp> {
        text.parse::<jiff::Timestamp>().ok().map(|t| Timestamp(t.as_microsecond()))
    }

    /// Reads `Fri, 02 Jan 2026 03:04:05 GMT`.
    pub fn parse_http_date(text: &str) -> Option<Timestamp> {
        jiff::fmt::rfc2822::parse(text).ok().map(|z| Timestamp(z.timestamp().as_microsecond()))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Timestamp;

    fn add(self, duration: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Timestamp;

    fn sub(self, duration: Duration) -> Timestamp {
        Timestamp(self.0.saturating_sub(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iso8601())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Timestamp = Timestamp::from_micros(1_767_323_045_678_901);

    #[test]
    fn writes_the_forms_of_the_protocols() {
        assert_eq!(MOMENT.iso8601(), "2026-01-02T03:04:05.678Z");
        assert_eq!(MOMENT.iso8601_offset(), "2026-01-02T03:04:05.678+0000");
        assert_eq!(MOMENT.http_date(), "Fri, 02 Jan 2026 03:04:05 GMT");
        assert_eq!(MOMENT.secs_f64(), 1_767_323_045.678);
    }

    #[test]
    fn reads_what_it_wrote() {
        assert_eq!(Timestamp::parse_iso8601(&MOMENT.iso8601()), Some(Timestamp::from_millis(MOMENT.millis())));
        assert_eq!(Timestamp::parse_http_date(&MOMENT.http_date()), Some(Timestamp::from_secs(MOMENT.secs())));
    }

    #[test]
    fn never_stays_never() {
        assert_eq!(Timestamp::NEVER + Duration::from_secs(1), Timestamp::NEVER);
        assert_eq!(Timestamp::EPOCH.since(Timestamp::NEVER), Duration::ZERO);
    }
}
