//! Quota requests to providers and the parsing of their responses.
//!
//! Pure: a [`Provider`] is an async function that sends its requests through [`Http`], which the
//! caller implements, and parses the responses. [`passive`] parses quota data that arrives without a request: headers
//! of proxied responses, and refusals.

mod account;
mod built_in;
mod failure;
pub mod passive;
mod provider;
pub mod providers;
mod request;
mod session;

#[cfg(test)]
mod tests;

pub use account::{AccountRef, Hidden};
pub use built_in::Auth;
pub use failure::{Failure, ParseError};
pub use provider::Provider;
pub use request::{Method, Request, TOKEN};
pub use session::{BoxFuture, Http, Response};
