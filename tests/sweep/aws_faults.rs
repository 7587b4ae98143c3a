//! AWS throttles, fails or cannot be reached.
