//! The keys that a command reads; its `--help` lists them.

use crate::config::keys::{self, Key};

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
    ($($(#[$doc:meta])* $name:ident: $($key:ident),+;)+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug)]
            pub(in crate::cli) struct $name;

            impl Reads for $name {
                fn reads(key: &Key) -> bool {
                    [$(&keys::$key),+].iter().any(|own| own.path == key.path)
                }
            }
        )+
    };
}

parts! {
    /// The address of a running exporter.
    Exporter: WEB_LISTEN_ADDRESS;
    /// The stored data.
    Stored: STORAGE_PATH;
    /// The stored data and the spool.
    Spool: STORAGE_PATH, STORAGE_SPOOL_LIMIT;
    /// The price lists.
    Prices: STORAGE_PATH, COST_PRICE_FILE, COST_CACHE_WRITES;
    /// The stored data, its prices and the accounts' billing.
    Money: STORAGE_PATH, COST_PRICE_FILE, COST_CACHE_WRITES, COST_ACCOUNTS, ALIASES_ACCOUNTS;
    /// The same, and the spool.
    ImportMoney: STORAGE_PATH, STORAGE_SPOOL_LIMIT, COST_PRICE_FILE, COST_CACHE_WRITES, COST_ACCOUNTS,
        ALIASES_ACCOUNTS;
    /// The stored data and the labels on the metrics page.
    Labels: STORAGE_PATH, CAPS_ACCOUNT, CAPS_MODEL, CAPS_CLIENT, CAPS_ENDPOINT, CAPS_CODE,
        CAPS_SERIES, ALIASES_ACCOUNTS, ALIASES_CLIENTS;
    /// A running exporter, or CPA and the providers instead.
    Quotas: WEB_LISTEN_ADDRESS, WEB_API_TOKEN_FILE, CPA_URL, CPA_MANAGEMENT_KEY_FILE,
        CPA_TLS_CA_FILE, QUOTA_ENABLED, QUOTA_CONCURRENCY, QUOTA_TIMEOUT, QUOTA_FILE, CAPS_ACCOUNT,
        CAPS_LIMIT, ALIASES_ACCOUNTS;
}
