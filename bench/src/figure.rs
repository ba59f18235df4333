//! A figure: what was measured, and the mark that it should reach.

use serde_json::{Value, json};

/// One row of the table.
#[derive(Debug, Clone)]
pub struct Figure {
    pub name: String,
    pub unit: Unit,
    /// How many samples the figure rests on.
    pub count: usize,
    pub value: Measured,
    pub mark: Option<Mark>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Microseconds,
    Milliseconds,
    Mebibytes,
    PerSecond,
    PerGibibyte,
}

/// Of samples, the median and the 99th percentile; of a load also what it took per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Measured {
    Samples { p50: f64, p99: f64 },
    Rate { per_second: f64, p50_ms: f64, p99_ms: f64 },
}

/// The median, or the rate, should be this or better.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mark {
    AtMost(f64),
    AtLeast(f64),
}

impl Figure {
    pub fn samples(name: &str, unit: Unit, mut samples: Vec<f64>) -> Figure {
        samples.sort_by(f64::total_cmp);
        let value = Measured::Samples { p50: percentile(&samples, 50.0), p99: percentile(&samples, 99.0) };
        Figure { name: name.to_owned(), unit, count: samples.len(), value, mark: None }
    }

    pub fn rate(name: &str, per_second: f64, latencies_us: Vec<u64>) -> Figure {
        let mut ms: Vec<f64> = latencies_us.into_iter().map(|us| us as f64 / 1_000.0).collect();
        ms.sort_by(f64::total_cmp);
        let value = Measured::Rate { per_second, p50_ms: percentile(&ms, 50.0), p99_ms: percentile(&ms, 99.0) };
        Figure { name: name.to_owned(), unit: Unit::PerSecond, count: ms.len(), value, mark: None }
    }

    pub fn at_most(self, mark: f64) -> Figure {
        Figure { mark: Some(Mark::AtMost(mark)), ..self }
    }

    pub fn at_least(self, mark: f64) -> Figure {
        Figure { mark: Some(Mark::AtLeast(mark)), ..self }
    }

    pub fn reached(&self) -> Option<bool> {
        let value = match self.value {
            Measured::Samples { p50, .. } => p50,
            Measured::Rate { per_second, .. } => per_second,
        };
        self.mark.map(|mark| match mark {
            Mark::AtMost(most) => value <= most,
            Mark::AtLeast(least) => value >= least,
        })
    }

    /// The row, aligned with [`HEADING`].
    pub fn row(&self) -> String {
        let (value, p50, p99) = match self.value {
            Measured::Samples { p50, p99 } => (String::new(), self.unit.show(p50), self.unit.show(p99)),
            Measured::Rate { per_second, p50_ms, p99_ms } => {
                let latency = |ms| Unit::Milliseconds.show(ms);
                (Unit::PerSecond.show(per_second), latency(p50_ms), latency(p99_ms))
            }
        };
        let mark = match self.mark {
            Some(Mark::AtMost(most)) => format!("≤ {}", self.unit.show(most)),
            Some(Mark::AtLeast(least)) => format!("≥ {}", self.unit.show(least)),
            None => String::new(),
        };
        let reached = self.reached().map_or("", |reached| if reached { "reached" } else { "missed" });
        let (name, count) = (&self.name, self.count);
        format!("{name:<58} {count:>7} {value:>10} {p50:>11} {p99:>11}  {mark:<12} {reached}").trim_end().to_owned()
    }

    pub fn json(&self) -> Value {
        let mut value = json!({ "name": self.name, "count": self.count });
        match self.value {
            Measured::Samples { p50, p99 } => {
                value["unit"] = self.unit.name().into();
                (value["p50"], value["p99"]) = (p50.into(), p99.into());
            }
            Measured::Rate { per_second, p50_ms, p99_ms } => {
                value["per_second"] = per_second.into();
                (value["p50_ms"], value["p99_ms"]) = (p50_ms.into(), p99_ms.into());
            }
        }
        match self.mark {
            Some(Mark::AtMost(most)) => value["at_most"] = most.into(),
            Some(Mark::AtLeast(least)) => value["at_least"] = least.into(),
            None => {}
        }
        if let Some(reached) = self.reached() {
            value["reached"] = reached.into();
        }
        value
    }
}

/// The heading of the table.
pub fn heading() -> String {
    format!("{:<58} {:>7} {:>10} {:>11} {:>11}  {}", "", "samples", "rate", "median", "p99", "mark")
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Unit::Microseconds => format!("{value:.1} µs"),
            Unit::PerGibibyte => format!("{value:.0}/GiB"),
            Unit::Milliseconds if value < 10.0 => format!("{value:.3} ms"),
            Unit::Milliseconds => format!("{value:.1} ms"),
            Unit::Mebibytes if value < 10.0 => format!("{value:.2} MiB"),
            Unit::Mebibytes => format!("{value:.1} MiB"),
            Unit::PerSecond => format!("{value:.0}/s"),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Unit::Microseconds => "µs",
            Unit::Milliseconds => "ms",
            Unit::Mebibytes => "MiB",
            Unit::PerSecond => "1/s",
            Unit::PerGibibyte => "1/GiB",
        }
    }
}

/// The nearest rank in sorted samples; 0 if there are none.
fn percentile(sorted: &[f64], percent: f64) -> f64 {
    let rank = (sorted.len() as f64 * percent / 100.0).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let sorted: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!(percentile(&sorted, 50.0), 100.0);
        assert_eq!(percentile(&sorted, 99.0), 198.0);
        assert_eq!(percentile(&[7.0], 99.0), 7.0);
        assert_eq!(percentile(&[], 50.0), 0.0);
    }

    #[test]
    fn a_mark_is_reached_by_the_median_or_the_rate() {
        let figure = Figure::samples("", Unit::Milliseconds, vec![1.0, 2.0, 90.0]);
        assert_eq!(figure.reached(), None);
        assert_eq!(figure.clone().at_most(2.0).reached(), Some(true));
        assert_eq!(figure.at_most(1.9).reached(), Some(false));
        assert_eq!(Figure::rate("", 99.0, vec![1]).at_least(100.0).reached(), Some(false));
    }
}
