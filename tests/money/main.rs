//! Captured records through the real pipeline, compared with independently computed bills.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test code"
)]

mod bill;
mod captured;
mod cases;
mod pipeline;
