//! The HTTP server: accept loop, routes, landing page, and the handles through which the rest of
//! the program says that it is ready or shall reload.
//!
//! It owns connections and paths. What is served on the telemetry path is a router it is given.

mod api;
mod control;
mod page;
mod routes;
pub mod scrape;
mod server;

pub use api::{ApiParts, QuotaService};
pub use control::{
    Readiness, ReloadHandle, ReloadRequest, ReloadRequests, Reloaded, reload_channel,
};
pub use routes::{Parts, router};
pub use server::{bind, serve};
