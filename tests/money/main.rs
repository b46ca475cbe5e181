//! Captured records through the real pipeline, against bills computed another way.

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
