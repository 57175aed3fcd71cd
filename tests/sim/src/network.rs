//! The network as a trace: a rate for every moment, repeated when it ends.
//!
//! A trace file is text, one row a line, `seconds<TAB>Mbit/s`; the rate of a row holds from the time of the row before
//! it to its own. Of that rate [`PAYLOAD`] carries body bytes.

use std::path::Path;

use crate::error::SimError;

/// Share of the rate that is body: the rest is headers of TCP, IP and HTTP (published simulators use the same share).
pub const PAYLOAD: f64 = 0.95;
/// Most rows of a trace: a day at one row a second.
pub const MAX_ROWS: usize = 86_400;
/// Slowest transfer that is waited for: a day.
const LONGEST_MS: f64 = 86_400_000.0;

/// A network.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// Name, for reports.
    pub name: String,
    /// End of each segment in milliseconds from the start of the trace, ascending.
    ends: Vec<f64>,
    /// Body bytes per millisecond in each segment.
    rates: Vec<f64>,
}

impl Trace {
    /// A trace of `(seconds, Mbit/s)` rows as a trace file has them. The first row only says where the time starts.
    ///
    /// # Errors
    /// [`SimError::Trace`] for times that do not grow, rates that are no numbers, and traces that carry nothing.
    pub fn new(name: &str, rows: &[(f64, f64)]) -> Result<Self, SimError> {
        Trace::with_payload(name, rows, PAYLOAD)
    }

    /// The same of rates that are body bytes alone, as the reference server shapes them.
    ///
    /// # Errors
    /// As [`Trace::new`].
    pub fn of_bodies(name: &str, rows: &[(f64, f64)]) -> Result<Self, SimError> {
        Trace::with_payload(name, rows, 1.0)
    }

    fn with_payload(name: &str, rows: &[(f64, f64)], payload: f64) -> Result<Self, SimError> {
        let bad = |what: &str| Err(SimError::Trace(format!("{name}: {what}")));
        if rows.len() > MAX_ROWS {
            return bad("too many rows");
        }
        let Some(&(start, _)) = rows.first() else { return bad("no rows") };
        let (mut ends, mut rates) = (Vec::new(), Vec::new());
        let mut last = start;
        for &(t, mbps) in &rows[1..] {
            if !(t.is_finite() && t > last) {
                return bad("a row that does not lie after the row before it");
            }
            if !(mbps.is_finite() && (0.0..=1e6).contains(&mbps)) {
                return bad("a rate that is none");
            }
            last = t;
            ends.push((t - start) * 1_000.0);
            rates.push(mbps * 125.0 * payload);
        }
        if !rates.iter().any(|&r| r > 0.0) {
            return bad("nothing would ever arrive");
        }
        Ok(Trace { name: name.to_owned(), ends, rates })
    }

    /// Reads a trace file.
    ///
    /// # Errors
    /// As [`Trace::new`], and where a row is not two numbers.
    pub fn read(path: &Path) -> Result<Self, SimError> {
        let text = std::fs::read_to_string(path).map_err(|e| SimError::io(path, e))?;
        let mut rows = Vec::new();
        for (i, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
            let mut parts = line.split_whitespace().map(str::parse::<f64>);
            match (parts.next(), parts.next(), parts.next()) {
                (Some(Ok(t)), Some(Ok(mbps)), None) if rows.len() < MAX_ROWS => rows.push((t, mbps)),
                _ => {
                    return Err(SimError::format(path, format!("row {} is not `seconds<TAB>Mbit/s`", i + 1)));
                }
            }
        }
        let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        Trace::new(&name, &rows).map_err(|e| SimError::format(path, e.to_string()))
    }

    /// Reads every file of a folder, in the order of their names (numbers by value).
    ///
    /// # Errors
    /// As [`Trace::read`], and where the folder holds no file.
    pub fn read_dir(dir: &Path) -> Result<Vec<Self>, SimError> {
        let entries = std::fs::read_dir(dir).map_err(|e| SimError::io(dir, e))?;
        let mut files: Vec<_> = entries.filter_map(Result::ok).map(|e| e.path()).collect();
        files.retain(|p| {
            p.is_file()
                && !p.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.') || n == "SOURCES.md")
        });
        files.sort_by_key(|p| {
            let name = p.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
            (name.parse::<u64>().unwrap_or(u64::MAX), name)
        });
        if files.is_empty() {
            return Err(SimError::format(dir, "no trace in this folder"));
        }
        files.iter().map(|p| Trace::read(p)).collect()
    }

    /// Milliseconds until the trace starts over.
    #[must_use]
    pub fn period_ms(&self) -> f64 {
        self.ends.last().copied().unwrap_or(1.0)
    }

    /// Mean rate in Mbit/s, headers included.
    #[must_use]
    pub fn mean_mbps(&self) -> f64 {
        let mut start = 0.0;
        let mut bytes = 0.0;
        for (&end, &rate) in self.ends.iter().zip(&self.rates) {
            bytes += rate * (end - start);
            start = end;
        }
        bytes / self.period_ms() / 125.0 / PAYLOAD
    }

    /// Milliseconds it takes to receive `bytes` from `start_ms` on, counted from the start of the trace; at most a day.
    #[must_use]
    pub fn transfer_ms(&self, start_ms: f64, bytes: f64) -> f64 {
        let period = self.period_ms();
        let mut at = start_ms.rem_euclid(period);
        let mut segment = self.ends.partition_point(|&end| end <= at);
        let (mut left, mut took) = (bytes, 0.0);
        while took < LONGEST_MS {
            if segment >= self.ends.len() {
                (segment, at) = (0, 0.0);
            }
            let (span, rate) = (self.ends[segment] - at, self.rates[segment]);
            if rate > 0.0 && left <= rate * span {
                return took + left / rate;
            }
            left -= rate * span;
            took += span;
            at = self.ends[segment];
            segment += 1;
        }
        LONGEST_MS
    }

    /// Body bytes that arrive within `ms` from `start_ms` on.
    #[must_use]
    pub fn bytes_within(&self, start_ms: f64, ms: f64) -> f64 {
        let mut at = start_ms.rem_euclid(self.period_ms());
        let mut segment = self.ends.partition_point(|&end| end <= at);
        let (mut left, mut bytes) = (ms, 0.0);
        while left > 0.0 {
            if segment >= self.ends.len() {
                (segment, at) = (0, 0.0);
            }
            let span = (self.ends[segment] - at).min(left);
            bytes += span * self.rates[segment];
            left -= span;
            at = self.ends[segment];
            segment += 1;
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transfers_follow_the_rows_and_start_over() {
        let trace = Trace::new("t", &[(0.0, 9.0), (1.0, 8.0), (2.0, 0.0), (3.0, 4.0)]).unwrap();
        let second = 8.0 * 125.0 * PAYLOAD * 1_000.0;
        assert!((trace.transfer_ms(0.0, second / 2.0) - 500.0).abs() < 1e-6);
        assert!(
            (trace.transfer_ms(500.0, second) - 2_500.0).abs() < 1e-6,
            "a dead second, then half the rate"
        );
        assert!((trace.transfer_ms(2_500.0, second / 2.0) - 750.0).abs() < 1e-6, "starts over");
        assert!((trace.bytes_within(500.0, 2_500.0) - second).abs() < 1e-6);
        assert!((trace.mean_mbps() - 4.0).abs() < 1e-9);
    }

    #[test]
    fn refuses_what_carries_nothing_or_goes_back() {
        assert!(Trace::new("t", &[(0.0, 1.0)]).is_err());
        assert!(Trace::new("t", &[(0.0, 1.0), (1.0, 0.0)]).is_err());
        assert!(Trace::new("t", &[(0.0, 1.0), (1.0, 1.0), (1.0, 1.0)]).is_err());
        assert!(Trace::new("t", &[(0.0, 1.0), (1.0, f64::NAN)]).is_err());
    }
}
