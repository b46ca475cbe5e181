//! Tests over real sockets and real files, in one binary.

#![expect(clippy::unwrap_used, reason = "test code")]

mod layering;
