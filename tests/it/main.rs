//! Tests over real sockets and real files, in one binary.

#![expect(clippy::unwrap_used, reason = "test code")]

mod harness;
mod kill;
mod layering;
mod modes;
mod storage;
