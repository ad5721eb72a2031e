//! Optimizers, gradient clipping, schedules and weight averaging.
#![forbid(unsafe_code)]
