//! The HTTP server: accept loop, routes, landing page, and handles for readiness and reload.
//!
//! It owns connections and paths. The router of the telemetry path is a parameter.

mod access;
mod api;
mod control;
mod listener;
mod page;
mod routes;
mod same_origin;
pub mod scrape;
mod server;
mod stream;
mod web_config;

pub use access::Tokens;
pub use api::{
    Answer, ApiFailure, ApiParts, ExportFormat, JobService, Pairs, QuotaService, Resource,
    ResponseParts, StoredRecords,
};
pub use control::{
    Readiness, ReloadHandle, ReloadRequest, ReloadRequests, Reloaded, reload_channel,
};
pub use listener::Listener;
pub use routes::{Parts, routers, waiting_routers};
pub use server::{Routers, bind, serve};
pub use web_config::WebAccess;
