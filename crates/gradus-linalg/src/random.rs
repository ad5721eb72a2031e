//! Counter-based random fills.
