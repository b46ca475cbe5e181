//! The keys that a command reads; its `--help` lists them.

use crate::config::keys::Key;

/// A part of the configuration.
pub trait Reads: Clone + std::fmt::Debug + Send + Sync + 'static {
    /// Whether the command's work depends on the key.
    fn reads(key: &Key) -> bool;
}

/// The whole configuration.
#[derive(Clone, Copy, Debug)]
pub struct Everything;

impl Reads for Everything {
    fn reads(_key: &Key) -> bool {
        true
    }
}

macro_rules! parts {
    ($($(#[$doc:meta])* $name:ident: $($key:literal),+;)+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug)]
            pub(in crate::cli) struct $name;

            impl Reads for $name {
                fn reads(key: &Key) -> bool {
                    [$($key),+].contains(&key.path)
                }
            }
        )+
    };
}

parts! {
    /// The address of a running exporter.
    Exporter: "web.listen_address", "web.systemd_socket", "web.config.file", "storage.path";
    /// The stored data.
    Stored: "storage.path";
    /// The price lists.
    Prices: "storage.path", "cost.price_file", "cost.cache_writes";
    /// The stored data, its prices and the accounts' billing.
    Money: "storage.path", "cost.price_file", "cost.cache_writes", "cost.accounts", "aliases.accounts";
    /// The same, and the spool.
    ImportMoney: "storage.path", "storage.spool_limit", "cost.price_file", "cost.cache_writes", "cost.accounts",
        "aliases.accounts";
    /// The stored data and the labels on the metrics page.
    Labels: "storage.path", "metrics.caps.account", "metrics.caps.model", "metrics.caps.client", "metrics.caps.endpoint", "metrics.caps.code",
        "metrics.caps.series", "aliases.accounts", "aliases.clients";
    /// A running exporter, or CPA and the providers instead.
    Quotas: "web.listen_address", "web.systemd_socket", "web.config.file", "web.api_token_file", "web.read_token_file", "storage.path", "cpa.url",
        "cpa.management_key_file",
        "cpa.tls_ca_file", "quota.enabled", "quota.concurrency", "quota.timeout", "quota.file", "metrics.caps.account",
        "metrics.caps.limit", "aliases.accounts";
}
