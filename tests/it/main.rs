//! Tests over real sockets and real files, in one binary.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::float_cmp,
    clippy::cast_precision_loss,
    reason = "test code; counts in tests are small whole numbers"
)]

mod disk;
mod gate;
mod harness;
mod history;
mod kill;
mod lag;
mod layering;
mod modes;
mod prometheus;
mod redis;
mod secrets;
mod source;
mod storage;
mod tls;
