//! Statistics of measurements.

use serde::Serialize;

/// Sorted measurements in one unit.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(transparent)]
pub struct Sample(Vec<f64>);

impl Sample {
    /// Sorts these measurements.
    pub fn new(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    /// Whether nothing was measured.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The smallest value that `percent` of the measurements do not exceed (nearest rank), or `None` without
    /// measurements.
    pub fn percentile(&self, percent: usize) -> Option<f64> {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).copied()
    }

    /// The 50th percentile.
    pub fn median(&self) -> Option<f64> {
        self.percentile(50)
    }

    /// The 25th and the 75th percentile.
    pub fn spread(&self) -> Option<(f64, f64)> {
        Some((self.percentile(25)?, self.percentile(75)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_nearest_rank() {
        let sample = Sample::new((1..=200).rev().map(f64::from).collect());
        assert_eq!(sample.median(), Some(100.0));
        assert_eq!(sample.percentile(99), Some(198.0));
        assert_eq!(sample.percentile(100), Some(200.0));
        assert_eq!(sample.spread(), Some((50.0, 150.0)));
    }

    #[test]
    fn one_measurement_is_every_percentile() {
        assert_eq!(Sample::new(vec![7.0]).percentile(1), Some(7.0));
        assert_eq!(Sample::new(vec![7.0]).percentile(99), Some(7.0));
        assert_eq!(Sample::default().median(), None);
    }
}
