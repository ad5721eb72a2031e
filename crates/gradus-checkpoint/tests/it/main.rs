//! What the crate promises, tested from outside: hostile files and folders, golden files, round trips, faults at every call.

mod corruption;
mod faults;
mod faulty;
mod folders;
mod golden;
mod hostile;
mod lock;
mod round_trip;
mod store;
