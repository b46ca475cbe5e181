//! Access to CPA: the management key, refusals, HTTP and RESP connections, and CPA's state.
//!
//! All requests to CPA use one [`Client`]: those for records, for the account directory and for
//! quotas. [`Observer`] reads CPA and publishes [`CpaState`].

mod access;
mod api_call;
mod client;
mod connect;
mod detection;
mod directory;
mod generation;
pub(crate) mod lists;
mod observer;
mod queue;
mod refusal;
mod remedy;
pub(crate) mod resp;
mod switches;

pub use access::{Access, AccessReporter, KeyReader};
pub(crate) use api_call::{ProviderResponse, ProxiedRequest, ProxyOutcome};
pub(crate) use client::HttpFailure;
pub use client::{Client, ClientParts};
pub(crate) use generation::Server;
pub use lists::Decoding;
pub(crate) use observer::Counts;
pub use observer::{CpaState, CpaStates, Observer, ObserverParts, ObserverSettings, ReadRequests};
pub(crate) use queue::QueueReply;
pub(crate) use refusal::{Refusal, RespError};
pub(crate) use remedy::Remedy;
pub(crate) use switches::DEFAULT_RETENTION;
