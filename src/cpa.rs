//! Talking to CPA's management side: the one key, what a refusal means, and the HTTP API.
//!
//! Everything that speaks to CPA stands on this: [`source`](crate::source) for records,
//! the account directory and the quota polls. Each call costs a CPA with a hashed secret about
//! 62 ms of CPU, so calls are few.

mod access;
mod management;
mod refusal;

pub use access::{Access, KeyReader};
pub(crate) use management::{Api, HttpFailure, Management, Server};
pub(crate) use refusal::{Refusal, RespError};
