//! Medians and percentiles.

/// The value below which the given share (0 to 1000 thousandths) of a sorted list lies, by the nearest rank.
pub(crate) fn percentile(sorted: &[u32], thousandths: usize) -> u32 {
    let rank = (sorted.len() * thousandths).div_ceil(1000).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

/// The median; the mean of the two middle values where the count is even; 0 of nothing.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2).copied().unwrap_or_default();
    if values.len() % 2 == 1 {
        return upper;
    }
    let lower =
        values.len().checked_sub(1).and_then(|last| values.get(last / 2)).copied().unwrap_or_default();
    f64::midpoint(lower, upper)
}

/// A count as a floating-point number, for rates. Exact to 2^53, which no count here reaches.
#[expect(clippy::cast_precision_loss, reason = "counts of requests and bytes stay far below 2^53")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let sorted: Vec<u32> = (1..=200).collect();
        assert_eq!(percentile(&sorted, 500), 100);
        assert_eq!(percentile(&sorted, 990), 198);
        assert_eq!(percentile(&sorted, 1000), 200);
        assert_eq!(percentile(&[7], 990), 7);
        assert_eq!(percentile(&[], 500), 0);
    }

    #[test]
    fn medians_of_odd_and_even_counts() {
        assert!((median([3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median([4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < f64::EPSILON);
        assert!(median([]).abs() < f64::EPSILON);
    }
}
