use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How a clock's time goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    /// As the system's.
    Real,
    /// This many times as fast as the system's.
    Scaled(f64),
    /// It stands still and jumps to the next timer when nothing runs.
    Virtual,
}

/// A text that names no mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no way for time to go; use `real`, `virtual` or `scaled:FACTOR` (0.001 to 1000000)")]
pub struct ModeError {
    pub text: String,
}

impl Mode {
    /// What the clock's time does while real time does `real`.
    pub(crate) fn elapsed(self, real: Duration) -> Duration {
        match self {
            Mode::Real => real,
            Mode::Scaled(factor) => real.mul_f64(factor),
            Mode::Virtual => Duration::ZERO,
        }
    }

    /// The real time that `duration` of the clock's takes, rounded up to a microsecond.
    pub(crate) fn real(self, duration: Duration) -> Duration {
        match self {
            Mode::Real | Mode::Virtual => duration,
            Mode::Scaled(factor) => duration.div_f64(factor) + Duration::from_micros(1),
        }
    }
}

impl FromStr for Mode {
    type Err = ModeError;

    fn from_str(text: &str) -> Result<Mode, ModeError> {
        let factor = || text.strip_prefix("scaled:")?.parse().ok().filter(|f| (0.001..=1e6).contains(f));
        match text {
            "real" => Ok(Mode::Real),
            "virtual" => Ok(Mode::Virtual),
            _ => factor().map(Mode::Scaled).ok_or_else(|| ModeError { text: text.to_owned() }),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mode::Real => f.write_str("real"),
            Mode::Scaled(factor) => write!(f, "scaled:{factor}"),
            Mode::Virtual => f.write_str("virtual"),
        }
    }
}
