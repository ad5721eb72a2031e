//! The training loop, metrics, TensorBoard events, report and resume.
#![forbid(unsafe_code)]
