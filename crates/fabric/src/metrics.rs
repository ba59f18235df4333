use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use base::Timestamp;

/// How many minutes of samples are kept until something takes them.
const MINUTES_MAX: usize = 60;
/// How many different metrics are kept in one minute; further ones are dropped.
const METRICS_MAX: usize = 20_000;

/// A metric's unit, as CloudWatch names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unit {
    Count,
    Milliseconds,
    Bytes,
    Megabytes,
    Percent,
}

/// A metric over one minute: a statistic set.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub minute: Timestamp,
    pub namespace: &'static str,
    pub name: &'static str,
    pub dimensions: Vec<(&'static str, String)>,
    pub unit: Unit,
    pub count: u64,
    pub sum: f64,
    pub min: f64,
    pub max: f64,
}

type Key = (&'static str, &'static str, Vec<(&'static str, String)>, Unit);

/// Where services tell what they measure. Samples are summed up by the minute.
#[derive(Default)]
pub struct Metrics {
    minutes: Mutex<BTreeMap<Timestamp, BTreeMap<Key, [f64; 4]>>>,
}

impl Metrics {
    /// Tells one value of a metric: `("AWS/Lambda", "Duration", [("FunctionName", "f")], ms, …)`.
    pub fn tell(
        &self,
        now: Timestamp,
        namespace: &'static str,
        name: &'static str,
        dimensions: &[(&'static str, &str)],
        value: f64,
        unit: Unit,
    ) {
        let minute = Timestamp::from_secs(now.secs().div_euclid(60) * 60);
        let dimensions = dimensions.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let mut minutes = self.minutes.lock().unwrap_or_else(PoisonError::into_inner);
        let metrics = minutes.entry(minute).or_default();
        let key = (namespace, name, dimensions, unit);
        if metrics.len() < METRICS_MAX || metrics.contains_key(&key) {
            let [count, sum, min, max] = metrics.entry(key).or_insert([0.0, 0.0, f64::INFINITY, f64::NEG_INFINITY]);
            (*count, *sum, *min, *max) = (*count + 1.0, *sum + value, min.min(value), max.max(value));
        }
        if minutes.len() > MINUTES_MAX {
            minutes.pop_first();
        }
    }

    /// All that is known, by minute.
    pub fn samples(&self) -> Vec<Sample> {
        let minutes = self.minutes.lock().unwrap_or_else(PoisonError::into_inner);
        let of_minute = |(minute, metrics): (&Timestamp, &BTreeMap<Key, [f64; 4]>)| {
            let minute = *minute;
            let sample = move |(key, [count, sum, min, max]): (&Key, &[f64; 4])| Sample {
                minute,
                namespace: key.0,
                name: key.1,
                dimensions: key.2.clone(),
                unit: key.3,
                count: *count as u64,
                sum: *sum,
                min: *min,
                max: *max,
            };
            metrics.iter().map(sample).collect::<Vec<_>>()
        };
        minutes.iter().flat_map(of_minute).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_a_minute_are_summed_up() {
        let metrics = Metrics::default();
        for (second, value) in [(0, 2.0), (59, 4.0), (60, 8.0)] {
            let at = Timestamp::from_secs(1_700_000_040 + second);
            metrics.tell(at, "AWS/Lambda", "Duration", &[("FunctionName", "f")], value, Unit::Milliseconds);
        }
        let shown: Vec<_> = metrics.samples().iter().map(|s| (s.count, s.sum, s.min, s.max)).collect();
        assert_eq!(shown, [(2, 6.0, 2.0, 4.0), (1, 8.0, 8.0, 8.0)]);
    }
}
