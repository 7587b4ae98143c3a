//! How many calls a request waits for, one after the other.

use std::time::Duration;

/// When a call began and ended, since some moment before all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// Its beginning.
    pub start: Duration,
    /// Its end.
    pub end: Duration,
}

/// The calls of the longest chain in which each begins only when the one before has ended. Its length is the number of
/// round trips that no concurrency hides.
pub fn longest<T>(calls: &[T], interval: impl Fn(&T) -> Interval) -> Vec<&T> {
    let mut by_end: Vec<&T> = calls.iter().collect();
    by_end.sort_by_key(|call| interval(call).end);
    let mut chain: Vec<&T> = Vec::new();
    for call in by_end {
        // Whichever ends first leaves the most room for the rest.
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
    fn calls_at_the_same_time_count_once() {
        assert_eq!(length(&[(0, 5), (1, 4), (2, 6)]), 1);
    }

    #[test]
    fn calls_that_wait_for_each_other_all_count() {
        assert_eq!(length(&[(4, 5), (0, 2), (2, 4)]), 3);
    }

    #[test]
    fn a_long_call_beside_two_short_ones_hides_neither() {
        assert_eq!(length(&[(0, 10), (1, 3), (4, 6)]), 2);
        assert_eq!(length(&[(0, 2), (0, 3), (3, 5), (3, 9), (9, 10)]), 3);
    }

    #[test]
    fn no_call_is_no_chain() {
        assert_eq!(length(&[]), 0);
    }
}
