//! Data sets, transforms, samplers and a loader with a fixed order for any number of workers.
#![forbid(unsafe_code)]
