//! Softmax family over rows.
