//! The pure part of the exporter: no I/O, no clock, no asynchronous runtime.
//!
//! * [`model`]: the vocabulary that every other module shares.
//! * [`decode`]: bytes of a usage record to an event. Secrets end here.
//! * [`pricing`]: tokens to money.
//! * [`budget`]: limits that the exporter counts itself.
//! * [`quota`]: conversations with providers about quotas, as data.

pub mod budget;
pub mod decode;
pub mod model;
pub mod pricing;
pub mod quota;
