//! Index reductions: argmax and argmin.
