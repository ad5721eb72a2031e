//! Integration tests: folders and bad files, the embedded set against its tree, the loader's order, repeatability, files of text and tokens, samples of tokens.

mod hostile;
mod image_tree;
mod loader;
mod repeatability;
mod text_files;
mod text_samples;
