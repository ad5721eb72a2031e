//! Deep learning on CPUs: the libraries behind one prelude.
#![forbid(unsafe_code)]
