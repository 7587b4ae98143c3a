//! Whoever wakes up late does no harm.
