//! Access to CPA's management API: the management key, refusals, HTTP and RESP connections.
//!
//! All requests to CPA use it: those for records, for the account directory and for quotas. Each call
//! costs a CPA with a hashed secret about 62 ms of CPU, so calls are few.

mod access;
mod api_call;
mod client;
mod detection;
mod directory;
mod generation;
mod refusal;
mod remedy;
pub(crate) mod resp;
mod success_count;
mod switches;

pub use access::{Access, AccessReporter, KeyReader};
pub(crate) use api_call::{ProviderResponse, ProxiedRequest, ProxyOutcome};
pub(crate) use client::HttpFailure;
pub use client::{Client, ClientParts};
pub(crate) use generation::{Api, Server};
pub(crate) use refusal::{Refusal, RespError};
pub(crate) use remedy::Remedy;
pub(crate) use success_count::Counted;
pub use success_count::SuccessCount;
