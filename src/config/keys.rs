//! The table of all keys: name in the file, flag, default, bounds, help.
//!
//! File, environment, flags, `--help` and the test of `config.example.toml` read this table, so a
//! key exists in all of them.

mod money;

pub use money::*;

/// A configuration key.
#[derive(Debug)]
pub struct Key {
    /// Path in the file, `section.key`.
    pub path: &'static str,
    /// Long flag without dashes; `None` for a value that must not be on a command line.
    pub flag: Option<&'static str>,
    /// Kind of the value, for `--help`.
    pub value_name: &'static str,
    /// As the user would write it; `None` when the default is not one text.
    pub default: Option<&'static str>,
    /// Smallest and largest value, as the user would write them.
    pub bounds: Option<(&'static str, &'static str)>,
    pub help: &'static str,
    /// Heading in `--help`.
    pub heading: &'static str,
    /// The value, or a part of it, must never be printed.
    pub secret: bool,
    /// A table with user-defined keys.
    pub table: bool,
}

impl Key {
    const fn new(path: &'static str, flag: &'static str, value_name: &'static str) -> Self {
        Self {
            path,
            flag: Some(flag),
            value_name,
            default: None,
            bounds: None,
            help: "",
            heading: "",
            secret: false,
            table: false,
        }
    }

    const fn default(mut self, text: &'static str) -> Self {
        self.default = Some(text);
        self
    }

    const fn bounds(mut self, low: &'static str, high: &'static str) -> Self {
        self.bounds = Some((low, high));
        self
    }

    const fn help(mut self, heading: &'static str, help: &'static str) -> Self {
        self.heading = heading;
        self.help = help;
        self
    }

    const fn secret(mut self) -> Self {
        self.flag = None;
        self.secret = true;
        self
    }

    const fn table(mut self) -> Self {
        self.table = true;
        self.secret = true;
        self
    }

    /// `cpa.poll_interval` is `CPA_EXPORTER_CPA_POLL_INTERVAL`.
    pub fn env(&self) -> String {
        let path = self.path.replace('.', "_").to_ascii_uppercase();
        format!("{ENV_PREFIX}{path}")
    }
}

pub(crate) const ENV_PREFIX: &str = "CPA_EXPORTER_";

const CPA: &str = "CPA";
const ACCOUNTS: &str = "Accounts";
const QUOTA: &str = "Quotas";
const STORAGE: &str = "Storage";
const WEB: &str = "Web";
const METRICS: &str = "Metrics";

pub static CPA_URL: Key = Key::new("cpa.url", "cpa.url", "URL")
    .default("http://127.0.0.1:8317")
    .help(
        CPA,
        "Base URL of CLIProxyAPI; https also enables TLS for RESP",
    );
pub static CPA_MANAGEMENT_KEY: Key = Key::new("cpa.management_key", "", "KEY")
    .secret()
    .help(CPA, "Management key of CPA");
pub static CPA_MANAGEMENT_KEY_FILE: Key =
    Key::new("cpa.management_key_file", "cpa.management-key-file", "FILE")
        .help(CPA, "File with the management key; read again on reload");
pub static CPA_MODE: Key = Key::new("cpa.mode", "cpa.mode", "MODE")
    .default("auto")
    .help(CPA, "Collection mode: auto, pop, subscribe or http");
pub static CPA_POLL_INTERVAL: Key = Key::new("cpa.poll_interval", "cpa.poll-interval", "DURATION")
    .default("250ms")
    .bounds("10ms", "30s")
    .help(CPA, "Pause between pops over RESP while the queue is empty");
pub static CPA_HTTP_POLL_INTERVAL: Key = Key::new(
    "cpa.http_poll_interval",
    "cpa.http-poll-interval",
    "DURATION",
)
.default("5s")
.bounds("500ms", "10m")
.help(
    CPA,
    "Pause between polls over HTTP while the queue is empty",
);
pub static CPA_MANAGE_USAGE_STATISTICS: Key = Key::new(
    "cpa.manage_usage_statistics",
    "cpa.manage-usage-statistics",
    "BOOL",
)
.default("false")
.help(CPA, "Switch on CPA's usage statistics when they are off");
pub static CPA_CHECK_INTERVAL: Key =
    Key::new("cpa.check_interval", "cpa.check-interval", "DURATION")
        .default("60s")
        .bounds("5s", "1h")
        .help(
            CPA,
            "Interval between checks of CPA's counters and settings",
        );
pub static CPA_POP_BYTES: Key = Key::new("cpa.pop_bytes", "cpa.pop-bytes", "SIZE")
    .default("256KiB")
    .bounds("4KiB", "64MiB")
    .help(CPA, "Approximate maximum size of one pop reply");
pub static CPA_TLS_CA_FILE: Key = Key::new("cpa.tls_ca_file", "cpa.tls-ca-file", "FILE")
    .help(CPA, "PEM file of certificates trusted for an https URL");

pub static ACCOUNTS_INTERVAL: Key = Key::new("accounts.interval", "accounts.interval", "DURATION")
    .default("1m")
    .bounds("1s", "1h")
    .help(ACCOUNTS, "Interval between reads of CPA's accounts");
pub static ACCOUNTS_SHOW_EMAIL: Key =
    Key::new("accounts.show_email", "accounts.show-email", "BOOL")
        .default("false")
        .help(ACCOUNTS, "Add the label email to cpa_account_info");

pub static QUOTA_ENABLED: Key = Key::new("quota.enabled", "quota.enabled", "BOOL")
    .default("true")
    .help(
        QUOTA,
        "Poll providers for quotas; quota headers are always read",
    );
pub static QUOTA_INTERVAL: Key = Key::new("quota.interval", "quota.interval", "DURATION")
    .default("5m")
    .bounds("1s", "1d")
    .help(QUOTA, "Minimum time between two polls of an account");
pub static QUOTA_CONCURRENCY: Key = Key::new("quota.concurrency", "quota.concurrency", "COUNT")
    .default("2")
    .bounds("1", "32")
    .help(QUOTA, "Maximum number of concurrent polls");
pub static QUOTA_TIMEOUT: Key = Key::new("quota.timeout", "quota.timeout", "DURATION")
    .default("20s")
    .bounds("1s", "55s")
    .help(QUOTA, "Timeout of one call to a provider");
pub static QUOTA_FILE: Key = Key::new("quota.file", "quota.file", "FILE")
    .help(QUOTA, "File with additional accounts and providers");

pub static STORAGE_PATH: Key = Key::new("storage.path", "storage.path", "DIR").help(
    STORAGE,
    "Directory of the database and the spool [default: $STATE_DIRECTORY, else the user's data directory]",
);
pub static STORAGE_SPOOL_LIMIT: Key =
    Key::new("storage.spool_limit", "storage.spool-limit", "SIZE")
        .default("1GiB")
        .bounds("1MiB", "1024GiB")
        .help(
            STORAGE,
            "Maximum size of the spool; a full spool stops collection",
        );
pub static STORAGE_COMMIT_INTERVAL: Key = Key::new(
    "storage.commit_interval",
    "storage.commit-interval",
    "DURATION",
)
.default("250ms")
.bounds("10ms", "10s")
.help(STORAGE, "Maximum time before a record is committed");

pub static WEB_LISTEN_ADDRESS: Key =
    Key::new("web.listen_address", "web.listen-address", "ADDRESS")
        .default("127.0.0.1:10317")
        .help(WEB, "Address to listen on; `:10317` is every interface");
pub static WEB_TELEMETRY_PATH: Key = Key::new("web.telemetry_path", "web.telemetry-path", "PATH")
    .default("/metrics")
    .help(WEB, "Path of the metrics endpoint");
pub static WEB_ENABLE_LIFECYCLE: Key =
    Key::new("web.enable_lifecycle", "web.enable-lifecycle", "BOOL")
        .default("false")
        .help(WEB, "Enable POST /-/reload");
pub static WEB_API_TOKEN_FILE: Key = Key::new("web.api_token_file", "web.api-token-file", "FILE")
    .help(
        WEB,
        "File with the bearer token of /api/v1; without it the API is read-only",
    );
pub static WEB_MAX_CONNECTIONS: Key =
    Key::new("web.max_connections", "web.max-connections", "NUMBER")
        .default("256")
        .bounds("1", "65536")
        .help(
            WEB,
            "Maximum number of open connections; more get health checks only",
        );
pub static WEB_SCRAPE_IN_FLIGHT: Key =
    Key::new("web.scrape_in_flight", "web.scrape-in-flight", "NUMBER")
        .default("8")
        .bounds("1", "1024")
        .help(WEB, "Maximum number of concurrent scrapes; more get 503");

pub static METRICS_ZERO_HOLD: Key = Key::new("metrics.zero_hold", "metrics.zero-hold", "DURATION")
    .default("15s")
    .bounds("0s", "10m")
    .help(
        METRICS,
        "Time for which scrapers see a new series at 0; set it to the scrape interval",
    );
pub static METRICS_EXEMPLARS: Key = Key::new("metrics.exemplars", "metrics.exemplars", "BOOL")
    .default("true")
    .help(
        METRICS,
        "Expose request ids as exemplars of histograms (OpenMetrics)",
    );

const fn cap(path: &'static str, flag: &'static str, default: &'static str) -> Key {
    Key::new(path, flag, "NUMBER")
        .default(default)
        .bounds("1", "1000000")
}

pub static CAPS_ACCOUNT: Key = cap("metrics.caps.account", "metrics.caps.account", "1000").help(
    METRICS,
    "Maximum number of values of the label account; the rest become `other`",
);
pub static CAPS_MODEL: Key = cap("metrics.caps.model", "metrics.caps.model", "200")
    .help(METRICS, "Maximum number of values of the label model");
pub static CAPS_CLIENT: Key = cap("metrics.caps.client", "metrics.caps.client", "200")
    .help(METRICS, "Maximum number of values of the label client");
pub static CAPS_ENDPOINT: Key = cap("metrics.caps.endpoint", "metrics.caps.endpoint", "20")
    .help(METRICS, "Maximum number of values of the label endpoint");
pub static CAPS_CODE: Key = cap("metrics.caps.code", "metrics.caps.code", "40")
    .help(METRICS, "Maximum number of values of the label code");
pub static CAPS_LIMIT: Key = cap("metrics.caps.limit", "metrics.caps.limit", "50")
    .help(METRICS, "Maximum number of values of the label limit");
pub static CAPS_SERIES: Key = cap("metrics.caps.series", "metrics.caps.series", "200000")
    .bounds("1000", "10000000")
    .help(METRICS, "Maximum number of series in total");

pub static ALIASES_ACCOUNTS: Key = Key::new("aliases.accounts", "aliases.accounts", "ID=NAME,...")
    .table()
    .help(
        METRICS,
        "Aliases of accounts, by auth_index or default label",
    );
pub static ALIASES_CLIENTS: Key = Key::new("aliases.clients", "aliases.clients", "LABEL=NAME,...")
    .table()
    .help(
        METRICS,
        "Aliases of clients, by their masked label in /metrics",
    );

/// In the order of `--help` and of `config.example.toml`.
pub static ALL: [&Key; 45] = [
    &CPA_URL,
    &CPA_MANAGEMENT_KEY,
    &CPA_MANAGEMENT_KEY_FILE,
    &CPA_MODE,
    &CPA_POLL_INTERVAL,
    &CPA_HTTP_POLL_INTERVAL,
    &CPA_CHECK_INTERVAL,
    &CPA_POP_BYTES,
    &CPA_MANAGE_USAGE_STATISTICS,
    &CPA_TLS_CA_FILE,
    &ACCOUNTS_INTERVAL,
    &ACCOUNTS_SHOW_EMAIL,
    &QUOTA_ENABLED,
    &QUOTA_INTERVAL,
    &QUOTA_CONCURRENCY,
    &QUOTA_TIMEOUT,
    &QUOTA_FILE,
    &STORAGE_PATH,
    &STORAGE_SPOOL_LIMIT,
    &STORAGE_COMMIT_INTERVAL,
    &WEB_LISTEN_ADDRESS,
    &WEB_TELEMETRY_PATH,
    &WEB_ENABLE_LIFECYCLE,
    &WEB_API_TOKEN_FILE,
    &WEB_MAX_CONNECTIONS,
    &WEB_SCRAPE_IN_FLIGHT,
    &METRICS_ZERO_HOLD,
    &METRICS_EXEMPLARS,
    &CAPS_ACCOUNT,
    &CAPS_MODEL,
    &CAPS_CLIENT,
    &CAPS_ENDPOINT,
    &CAPS_CODE,
    &CAPS_LIMIT,
    &CAPS_SERIES,
    &ALIASES_ACCOUNTS,
    &ALIASES_CLIENTS,
    &COST_PRICE_FILE,
    &COST_CACHE_WRITES,
    &COST_ACCOUNTS,
    &COST_FEES,
    &COST_REFERENCES,
    &LIMITS_FILE,
    &LOG_LEVEL,
    &LOG_FORMAT,
];

pub(super) fn find(path: &str) -> Option<&'static Key> {
    ALL.iter().copied().find(|key| key.path == path)
}

/// Whether `path` is a table of keys, such as `metrics.caps`.
pub(super) fn is_section(path: &str) -> bool {
    ALL.iter()
        .filter_map(|key| key.path.strip_prefix(path))
        .any(|rest| rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn flags_are_the_paths_with_dashes_and_nothing_is_listed_twice() {
        let mut seen = BTreeSet::new();
        for key in ALL {
            assert!(seen.insert(key.path), "{} twice", key.path);
            assert!(!key.help.is_empty(), "{}", key.path);
            match key.flag {
                Some(flag) => assert_eq!(flag, key.path.replace('_', "-")),
                None => assert!(key.secret, "{}", key.path),
            }
        }
    }

    #[test]
    fn an_environment_name_belongs_to_one_key() {
        let names: BTreeSet<String> = ALL.iter().map(|key| key.env()).collect();
        assert_eq!(names.len(), ALL.len());
        assert_eq!(METRICS_ZERO_HOLD.env(), "CPA_EXPORTER_METRICS_ZERO_HOLD");
    }
}
