//! Copies between layouts.
