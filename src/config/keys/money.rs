//! Money, limits and the log.

use super::Key;

const COST: &str = "Cost";
const LIMITS: &str = "Limits";
const LOG: &str = "Log";

pub static COST_PRICE_FILE: Key = Key::new("cost.price_file", "cost.price-file", "FILE").help(
    COST,
    "Prices of your own, TOML or JSON; they go before the built-in ones",
);
pub static COST_CACHE_WRITES: Key = Key::new("cost.cache_writes", "cost.cache-writes", "LIFETIME")
    .default("5m")
    .help(
        COST,
        "Price of Claude's cache writes, whose lifetime CPA does not tell: 5m or 1h",
    );
pub static COST_ACCOUNTS: Key = Key::new("cost.accounts", "cost.accounts", "ID=BILLING,...")
    .table()
    .help(
        COST,
        "How accounts pay, per_use or plan [default: API keys per use, logins by plan]",
    );
pub static COST_FEES: Key = Key::new("cost.fees", "cost.fees", "ID=USD PLAN,...")
    .table()
    .help(COST, "Flat fees of accounts, like 20 Plus or 200/year Max");
pub static COST_REFERENCES: Key = Key::new("cost.references", "cost.references", "NAME=MODEL,...")
    .table()
    .help(COST, "Models whose price all tokens are compared with");

pub static LIMITS_FILE: Key = Key::new("limits.file", "limits.file", "FILE").help(
    LIMITS,
    "Quotas, budgets and combos that the exporter counts itself",
);

pub static LOG_LEVEL: Key = Key::new("log.level", "log.level", "LEVEL")
    .default("info")
    .help(
        LOG,
        "Least severe messages to write: error, warn, info, debug or trace",
    );
pub static LOG_FORMAT: Key = Key::new("log.format", "log.format", "FORMAT")
    .default("auto")
    .help(LOG, "text, json, or auto: text on a terminal, else json");
