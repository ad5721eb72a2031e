//! Integration tests: folders and bad files, the embedded set against its tree, the loader's order, repeatability.

mod hostile;
mod image_tree;
mod loader;
mod repeatability;
