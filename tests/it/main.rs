//! Tests over real sockets and real files, in one binary.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::float_cmp,
    clippy::cast_precision_loss,
    reason = "test code; counts in tests are small whole numbers"
)]

mod accounts;
mod api;
mod backfill;
mod caps;
mod completeness;
mod cpa;
mod damage;
mod demo;
mod disk;
mod gate;
mod gateway;
mod harness;
mod history;
mod keys;
mod kill;
mod lag;
mod layering;
mod limits;
mod logins;
mod markers;
mod modes;
mod money;
mod paths;
mod prometheus;
mod quota;
mod quotas;
mod redis;
mod reload;
mod replies;
mod report;
mod secrets;
mod sockets;
mod source;
mod stops;
mod storage;
mod tls;
mod web;
