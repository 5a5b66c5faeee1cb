//! The conversation of two managers over a pipe.
