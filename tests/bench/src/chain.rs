//! Computes the number of calls that a request waits for in sequence.

use std::time::Duration;

/// The start and the end of a call, relative to a moment before all calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// Its start.
    pub start: Duration,
    /// Its end.
    pub end: Duration,
}

/// The calls of the longest chain in which each call starts after the previous one has ended. Its length is the number
/// of round trips that no concurrency hides.
pub fn longest<T>(calls: &[T], interval: impl Fn(&T) -> Interval) -> Vec<&T> {
    let mut by_end: Vec<&T> = calls.iter().collect();
    by_end.sort_by_key(|call| interval(call).end);
    let mut chain: Vec<&T> = Vec::new();
    for call in by_end {
        // The call that ends first leaves the most time for the rest.
        if chain.last().is_none_or(|last| interval(last).end <= interval(call).start) {
            chain.push(call);
        }
    }
    chain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn length(calls: &[(u64, u64)]) -> usize {
        let at = Duration::from_millis;
        longest(calls, |(start, end)| Interval { start: at(*start), end: at(*end) }).len()
    }

    #[test]
    fn concurrent_calls_count_once() {
        assert_eq!(length(&[(0, 5), (1, 4), (2, 6)]), 1);
    }

    #[test]
    fn sequential_calls_all_count() {
        assert_eq!(length(&[(4, 5), (0, 2), (2, 4)]), 3);
    }

    #[test]
    fn a_long_call_does_not_hide_two_concurrent_short_ones() {
        assert_eq!(length(&[(0, 10), (1, 3), (4, 6)]), 2);
        assert_eq!(length(&[(0, 2), (0, 3), (3, 5), (3, 9), (9, 10)]), 3);
    }

    #[test]
    fn no_calls_make_an_empty_chain() {
        assert_eq!(length(&[]), 0);
    }
}
