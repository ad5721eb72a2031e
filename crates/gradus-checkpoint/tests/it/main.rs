//! What the crate promises, tested from outside: hostile files and folders, golden files, files of PyTorch and NumPy, round trips, faults at every call.

mod corruption;
mod cuts;
mod faults;
mod faulty;
mod folders;
mod foreign;
mod golden;
mod hostile;
mod hostile_numpy;
mod hostile_torch;
mod lock;
mod model_fs;
mod round_trip;
mod store;
