//! All keys: each is declared here once, with its type, default, bounds and help.

#![expect(
    clippy::doc_markdown,
    reason = "the documentation of a field is its text in --help"
)]

use std::{collections::BTreeMap, num::NonZeroU32, path::PathBuf, time::Duration};

use super::{
    CpaUrl, ListenAddress, Secret, TelemetryPath,
    fields::FilePath,
    gateway::{GatewayDsn, GatewayStart},
    quota_file::QuotaFile,
    section::section,
    tables::{Alias, Billing, Fee, ModelName},
    value::{ByteSize, CacheWrites, LogFormat, LogLevel, Mode},
    web_file::WebFile,
};
use crate::budget::Rules;

section! {
    /// The whole valid configuration.
    pub struct Config {
        ..cpa: Cpa,
        ..accounts: Accounts,
        ..quota: Quota,
        ..gateway: Gateway,
        ..storage: Storage,
        ..web: Web,
        ..metrics: Metrics,
        ..aliases: Aliases,
        ..cost: Cost,
        ..limits: Limits,
        ..log: Log,
    }
}

section! {
    /// The parts that costs depend on.
    pub struct Money {
        ..storage: Storage,
        ..cost: Cost,
        ..aliases: Aliases,
    }
}

section! {
    /// The parts that the labels of stored data depend on.
    pub struct Labels {
        ..storage: Storage,
        ..metrics: Metrics,
        ..aliases: Aliases,
    }
}

section! {
    /// Address of CPA and ingest settings.
    pub struct Cpa in "cpa.", "CPA" {
        /// Read CLIProxyAPI; false for an exporter that reads a gateway only
        enabled: bool = "true",
        /// Base URL of CLIProxyAPI; https also enables TLS for RESP
        url: CpaUrl = "http://127.0.0.1:8317",
        /// Management key of CPA
        management_key: Secret
            | management_key_file "File with the management key; read again on reload",
        /// Collection mode: auto, pop, subscribe or http
        mode: Mode = "auto",
        /// Pause between pops over RESP while the queue is empty
        poll_interval: Duration = "250ms" in "10ms" to "30s",
        /// Pause between polls over HTTP while the queue is empty
        http_poll_interval: Duration = "5s" in "500ms" to "10m",
        /// Interval between checks of CPA's counters and settings
        check_interval: Duration = "60s" in "5s" to "1h",
        /// Approximate maximum size of one pop reply
        pop_bytes: ByteSize = "256KiB" in "4KiB" to "64MiB",
        /// Switch on CPA's usage statistics when they are off
        manage_usage_statistics: bool = "false",
        /// PEM file of certificates trusted for an https URL
        tls_ca_file: Option<FilePath>,
    }
}

section! {
    /// Settings of the account directory.
    pub struct Accounts in "accounts.", "Accounts" {
        /// Interval between reads of CPA's accounts
        interval: Duration = "1m" in "1s" to "1h",
        /// Add the label email to cpa_account_info
        show_email: bool = "false",
    }
}

section! {
    /// Settings of quota polling.
    pub struct Quota in "quota.", "Quotas" {
        /// Poll providers for quotas; quota headers are always read
        enabled: bool = "true",
        /// Minimum time between two polls of an account
        interval: Duration = "5m" in "1s" to "1d",
        /// Maximum number of concurrent polls
        concurrency: NonZeroU32 = "2" in "1" to "32" ["COUNT"],
        /// Timeout of one call to a provider
        timeout: Duration = "20s" in "1s" to "55s",
        /// File with additional accounts and providers
        file: QuotaFile,
    }
}

section! {
    /// A New API or One API gateway.
    pub struct Gateway in "gateway.", "New API and One API" {
        /// Database of the gateway: sqlite:///path, postgres://… or mysql://…, without password
        dsn: Option<GatewayDsn>,
        /// File with the URL of the gateway's database
        dsn_secret(dsn_file): Option<Secret>,
        /// Database of the gateway's log, if it is another one (LOG_SQL_DSN)
        log_dsn: Option<GatewayDsn>,
        /// File with the URL of the database of the gateway's log
        log_dsn_secret(log_dsn_file): Option<Secret>,
        /// Table of the log
        log_table: String = "logs",
        /// First row that counts at the first start: end, first or an RFC 3339 time
        start: GatewayStart = "end",
        /// Pause between reads of the log
        poll_interval: Duration = "1s" in "100ms" to "1m",
        /// Interval between reads of channels and tokens
        objects_interval: Duration = "30s" in "1s" to "1h",
        /// Maximum number of tokens with gauges, newest first; 0 = none
        max_tokens: u32 = "1000" in "0" to "100000",
    }
}

section! {
    /// Settings of the stored data.
    pub struct Storage in "storage.", "Storage" {
        /// Directory of the database and the spool [default: $STATE_DIRECTORY, else the user's
        /// data directory]
        path: PathBuf,
        /// Maximum size of the spool; a full spool stops collection
        spool_limit: ByteSize = "1GiB" in "1MiB" to "1024GiB",
        /// Maximum time before a record is committed
        commit_interval: Duration = "250ms" in "10ms" to "10s",
    }
}

section! {
    /// The HTTP server.
    pub struct Web in "web.", "Web" {
        /// Address to listen on; `:10317` is every interface, `unix:/path` a Unix socket
        listen_address: ListenAddress = "127.0.0.1:10317",
        /// Use the socket that systemd passes instead of listen_address
        systemd_socket: bool = "false",
        /// Path of the metrics endpoint
        telemetry_path: TelemetryPath = "/metrics",
        /// Enable POST /-/reload
        enable_lifecycle: bool = "false",
        /// File with the bearer token of /api/v1; without it the API is read-only
        api_token(api_token_file): Option<Secret>,
        /// File with a bearer token of /api/v1 for reads only
        read_token(read_token_file): Option<Secret>,
        /// Maximum number of open connections; more get health checks only
        max_connections: NonZeroU32 = "256" in "1" to "65536",
        /// Maximum number of concurrent scrapes; more get 503
        scrape_in_flight: NonZeroU32 = "8" in "1" to "1024",
        ..config: WebConfig,
    }
}

section! {
    /// Access to the HTTP server.
    pub struct WebConfig in "web.config.", "Web" {
        /// File in exporter-toolkit's format that enables TLS or authentication
        file: Option<WebFile>,
    }
}

impl Web {
    /// Whether other machines can reach the server, and need neither password nor certificate.
    pub(super) fn is_open_to_others(&self) -> bool {
        !self.systemd_socket && !self.listen_address.is_loopback() && !self.authenticates()
    }

    /// Whether every client needs a password or a certificate.
    pub fn authenticates(&self) -> bool {
        self.config
            .file
            .as_ref()
            .is_some_and(WebFile::authenticates)
    }

    /// Whether the listen address is not one that every client on this machine can use over HTTP.
    pub fn needs_local_socket(&self) -> bool {
        let is_unix = self.listen_address.unix_path().is_some();
        self.systemd_socket || is_unix || self.config.file.is_some()
    }
}

section! {
    /// Settings of the telemetry path.
    pub struct Metrics in "metrics.", "Metrics" {
        /// Time for which scrapers see a new series at 0; set it to the scrape interval
        zero_hold: Duration = "15s" in "0s" to "10m",
        /// Expose request ids as exemplars of histograms (OpenMetrics)
        exemplars: bool = "true",
        ..caps: Caps,
    }
}

section! {
    /// Maximum number of values per label, and of series in total.
    pub struct Caps in "metrics.caps.", "Metrics" {
        /// Maximum number of values of the label account; the rest become `other`
        account: NonZeroU32 = "1000" in "1" to "1000000",
        /// Maximum number of values of the label model
        model: NonZeroU32 = "200" in "1" to "1000000",
        /// Maximum number of values of the label client
        client: NonZeroU32 = "200" in "1" to "1000000",
        /// Maximum number of values of the label endpoint
        endpoint: NonZeroU32 = "20" in "1" to "1000000",
        /// Maximum number of values of the label code
        code: NonZeroU32 = "40" in "1" to "1000000",
        /// Maximum number of values of the label channel_id; the rest become `other`
        channel: NonZeroU32 = "1000" in "1" to "1000000",
        /// Maximum number of values of the label limit
        limit: NonZeroU32 = "50" in "1" to "1000000",
        /// Maximum number of series in total
        series: NonZeroU32 = "200000" in "1000" to "10000000",
    }
}

section! {
    /// Aliases of default labels. Several labels may share one.
    #[derive(Default)]
    pub struct Aliases in "aliases.", "Metrics" {
        /// Aliases of accounts, by auth_index or default label
        accounts: BTreeMap<String, Alias>,
        /// Aliases of clients, by their masked label in /metrics
        clients: BTreeMap<String, Alias> ["LABEL=NAME,..."],
    }
}

section! {
    /// Settings of costs.
    pub struct Cost in "cost.", "Cost" {
        /// Price list, TOML or JSON, that overrides the built-in one
        price_file: Option<FilePath>,
        /// Lifetime assumed for Claude's cache writes when a record states none: 5m or 1h
        cache_writes: CacheWrites = "5m",
        /// Billing of accounts: per_use or plan [default: API keys per_use, OAuth logins plan]
        accounts: BTreeMap<String, Billing>,
        /// Flat fees of accounts, such as 20 Plus or 200/year Max
        fees: BTreeMap<String, Fee>,
        /// Models at whose price all tokens are valued for comparison
        references: BTreeMap<String, ModelName>,
    }
}

section! {
    /// Local quotas, budgets and combos.
    pub struct Limits in "limits.", "Limits" {
        /// File with local quotas, budgets and combos
        rules(file): Rules,
    }
}

section! {
    /// Settings of the log.
    pub struct Log in "log.", "Log" {
        /// Minimum level of log messages: error, warn, info, debug or trace
        level: LogLevel = "info",
        /// Log format: text, json or auto (text on a terminal, else json)
        format: LogFormat = "auto",
    }
}
