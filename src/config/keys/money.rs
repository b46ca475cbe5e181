//! Keys of costs, limits and the log.

use super::Key;

const COST: &str = "Cost";
const LIMITS: &str = "Limits";
const LOG: &str = "Log";

pub static COST_PRICE_FILE: Key = Key::new("cost.price_file", "cost.price-file", "FILE").help(
    COST,
    "Price list, TOML or JSON, that overrides the built-in one",
);
pub static COST_CACHE_WRITES: Key = Key::new("cost.cache_writes", "cost.cache-writes", "LIFETIME")
    .default("5m")
    .help(
        COST,
        "Lifetime assumed for Claude's cache writes when a record states none: 5m or 1h",
    );
pub static COST_ACCOUNTS: Key = Key::new("cost.accounts", "cost.accounts", "ID=BILLING,...")
    .table()
    .help(
        COST,
        "Billing of accounts: per_use or plan [default: API keys per_use, OAuth logins plan]",
    );
pub static COST_FEES: Key = Key::new("cost.fees", "cost.fees", "ID=USD PLAN,...")
    .table()
    .help(
        COST,
        "Flat fees of accounts, such as 20 Plus or 200/year Max",
    );
pub static COST_REFERENCES: Key = Key::new("cost.references", "cost.references", "NAME=MODEL,...")
    .table()
    .help(
        COST,
        "Models at whose price all tokens are valued for comparison",
    );

pub static LIMITS_FILE: Key = Key::new("limits.file", "limits.file", "FILE")
    .help(LIMITS, "File with local quotas, budgets and combos");

pub static LOG_LEVEL: Key = Key::new("log.level", "log.level", "LEVEL")
    .default("info")
    .help(
        LOG,
        "Minimum level of log messages: error, warn, info, debug or trace",
    );
pub static LOG_FORMAT: Key = Key::new("log.format", "log.format", "FORMAT")
    .default("auto")
    .help(
        LOG,
        "Log format: text, json or auto (text on a terminal, else json)",
    );
