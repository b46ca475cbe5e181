//! Asking providers how much of a plan is used, and reading what they say.
//!
//! Pure: a [`Provider`] says which request comes next and what the answers mean; whoever drives
//! it does the sending, at the pace it likes. [`passive`] reads what arrives without asking:
//! headers of ordinary answers, and refusals.

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
