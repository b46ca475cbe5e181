//! Quota requests to providers and the parsing of their responses.
//!
//! Pure: a [`Provider`] returns the next request and parses the responses; the caller sends the
//! requests at its own pace. [`passive`] parses quota data that arrives without a request: headers
//! of proxied responses, and refusals.

mod account;
mod failure;
mod flow;
mod json;
pub mod passive;
mod provider;
pub mod providers;
mod request;

#[cfg(test)]
mod tests;

pub use account::{AccountRef, Hidden};
pub use failure::{Failure, ParseError};
pub use flow::{Answer, Attempt, Flow, Pause};
pub use provider::{Ask, Auth, Provider, Step};
pub use request::{Method, Request, TOKEN};
