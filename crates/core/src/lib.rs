//! The pure part of the exporter: no I/O, no clock, no asynchronous runtime.
//!
//! * [`model`]: the types that every other module shares.
//! * [`decode`]: decodes a usage record into an event and masks its secrets.
//! * [`pricing`]: computes the cost of tokens.
//! * [`budget`]: limits that the exporter counts itself.
//! * [`quota`]: builds quota requests to providers and parses the responses.

pub mod budget;
pub mod decode;
mod json;
pub mod model;
pub mod pricing;
pub mod quota;
