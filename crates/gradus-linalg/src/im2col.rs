//! Patches of an image as rows of a matrix.
