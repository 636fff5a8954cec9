//! Percentiles.

/// The value below which `percent` of the values lie, by the nearest rank; NaN of nothing.
pub fn percentile(values: &[f64], percent: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied().unwrap_or(f64::NAN)
}

/// The value in the middle.
pub fn median(values: &[f64]) -> f64 {
    percentile(values, 50.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let values = [5.0, 1.0, 4.0, 2.0, 3.0];
        let at = |percent| percentile(&values, percent) as u32;
        assert_eq!([at(0.0), at(10.0), at(50.0), at(99.0), at(100.0)], [1, 1, 3, 5, 5]);
        assert!(median(&[]).is_nan());
    }
}
