//! The decoder against what a real CPA was seen to send, and against what it never sent.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "helpers of a test stop it where something is not as it must be"
)]

mod captured;
mod markers;
mod properties;
mod rejects;
mod secrets;
mod support;
mod versions;
