//! The decoder against what a real CPA was seen to send, and against what it never sent.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "helpers of a test stop it where something is not as it must be"
)]

mod captured;
mod support;
