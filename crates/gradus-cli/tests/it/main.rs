//! The program `gradus`, driven from outside in temporary directories.
//!
//! - `ops`: the registry of ops from outside
//! - `usage`: help, versions, exit codes, completions, pages
//! - `config`: layers of the configuration and their mistakes
//! - `job`: data, training, scoring, predicting, inspecting, hashing, with the JSON that scripts read
//! - `tokens`: tokenizing, and training of tokenizers
//! - `repeat`: the same bits for any threads and workers, and through stop and resume
//! - `bad_data`: data and weights that cannot be used
//! - `text`: tasks on text, from files to a folder that is scored and used
//! - `weights`: files of weights of every format, and converting them
//! - `text_models`: continuing and embedding texts
//! - `damaged`: checkpoints that were damaged, runs that are too large
//! - `run_dir`: run directories that are taken, full, unwritable; signals

mod bad_data;
mod config;
mod damaged;
mod job;
mod ops;
mod program;
mod recipes;
mod repeat;
mod run_dir;
mod text;
mod text_models;
mod tokens;
mod usage;
mod weights;
