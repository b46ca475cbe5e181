//! The simulator against what a real CPA was seen to say, and against itself.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "helpers of a test stop it where something is not as it must be"
)]

mod accounts;
mod asking;
mod behaviour;
mod faults;
mod flow;
mod quota;
mod replay_http;
mod replay_resp;
mod support;
mod traffic;
mod truth;
mod upstreams;
