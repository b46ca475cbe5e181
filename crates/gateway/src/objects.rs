//! The gateway's channels, tokens and routes.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::table::{Field, Row, boolean, int, real, select, text};
use crate::{Database, GatewayError};

const CHANNELS: &[Field] = &[
    int("id"),
    text("name"),
    int("type"),
    int("status"),
    text("group"),
    text("tag"),
    real("balance"),
    int("balance_updated_time"),
    int("used_quota"),
    int("response_time"),
    int("test_time"),
    text("channel_info"),
];
const TOKENS: &[Field] = &[
    int("id"),
    text("name"),
    int("user_id"),
    int("status"),
    int("remain_quota"),
    int("used_quota"),
    boolean("unlimited_quota"),
    int("expired_time"),
];
const ABILITIES: &[Field] = &[int("channel_id"), text("model"), boolean("enabled")];
const OPTIONS: &[Field] = &[text("key"), text("value")];
/// One US dollar in the gateway's units, unless an option says otherwise.
const QUOTA_PER_UNIT: f64 = 500_000.0;
/// Most rows that are read of a table.
const MAX_ROWS: usize = 100_000;

/// What the gateway's tables tell, besides the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Objects {
    pub channels: Vec<Channel>,
    /// The newest tokens that were not deleted, at most as many as asked for.
    pub tokens: Vec<Token>,
    pub abilities: Vec<Ability>,
    /// The gateway's units per US dollar.
    pub quota_per_unit: f64,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Channel {
    pub id: i64,
    pub name: String,
    /// The provider, by a number whose meaning differs between New API and One API.
    pub kind: i64,
    /// 1 enabled, 2 disabled by a person, 3 disabled by the gateway, 0 unknown.
    pub status: i64,
    pub group: String,
    pub tag: String,
    pub balance_usd: f64,
    /// Unix seconds; 0 = the balance was never read.
    pub balance_updated: i64,
    pub used_quota: i64,
    /// Of the last test.
    pub response_time_ms: i64,
    /// Unix seconds of the last test; 0 = never.
    pub tested: i64,
    /// Keys of a channel with several that the gateway has disabled.
    pub disabled_keys: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Token {
    pub id: i64,
    pub name: String,
    pub user_id: i64,
    pub status: i64,
    pub remaining_quota: i64,
    pub used_quota: i64,
    pub unlimited: bool,
    /// Unix seconds; -1 = never.
    pub expires: i64,
}

/// Whether a token can be used. The gateway sets the stored status late or never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenState {
    Active,
    Disabled,
    Expired,
    Exhausted,
}

impl Token {
    pub fn state(&self, now: i64) -> TokenState {
        let is_expired = self.expires > 0 && self.expires <= now;
        let is_exhausted = !self.unlimited && self.remaining_quota <= 0;
        match self.status {
            2 => TokenState::Disabled,
            3 => TokenState::Expired,
            _ if is_expired => TokenState::Expired,
            4 => TokenState::Exhausted,
            _ if is_exhausted => TokenState::Exhausted,
            _ => TokenState::Active,
        }
    }
}

/// A route: a channel that serves a model in at least one group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ability {
    pub channel_id: i64,
    pub model: String,
    pub enabled: bool,
}

impl Objects {
    pub async fn read(database: &Database, max_tokens: usize) -> Result<Self, GatewayError> {
        let channels = table(database, "channels", CHANNELS, "ORDER BY id", MAX_ROWS).await?;
        let living = database.columns("tokens").await?.contains("deleted_at");
        let living = if living {
            "WHERE deleted_at IS NULL "
        } else {
            ""
        };
        let newest = format!("{living}ORDER BY id DESC");
        let tokens = if max_tokens == 0 {
            Vec::new()
        } else {
            table(database, "tokens", TOKENS, &newest, max_tokens).await?
        };
        let abilities = table(database, "abilities", ABILITIES, "", MAX_ROWS).await?;
        let mut abilities: Vec<Ability> = abilities.into_iter().map(ability).collect();
        // One row for each group; enabled ones first.
        abilities.sort_by(|a, b| {
            let key = |one: &Ability| (one.channel_id, one.model.clone(), !one.enabled);
            key(a).cmp(&key(b))
        });
        abilities.dedup_by(|a, b| (a.channel_id, &a.model) == (b.channel_id, &b.model));
        Ok(Self {
            channels: channels.into_iter().map(channel).collect(),
            tokens: tokens.into_iter().map(token).collect(),
            abilities,
            quota_per_unit: quota_per_unit(database).await,
        })
    }
}

/// Absent unless it was changed, and unreadable for an account without a grant on secrets.
async fn quota_per_unit(database: &Database) -> f64 {
    let columns = database.columns("options").await.unwrap_or_default();
    if columns.is_empty() {
        return QUOTA_PER_UNIT;
    }
    let engine = database.engine();
    let sql = select(engine, "options", OPTIONS, &columns);
    let sql = format!("{sql} WHERE {} = 'QuotaPerUnit'", engine.quote("key"));
    let rows = database.rows(sql, OPTIONS).await.unwrap_or_default();
    let value = rows.into_iter().next().and_then(|mut row| {
        row.text();
        row.text()?.parse::<f64>().ok()
    });
    value.filter(|value| *value > 0.0).unwrap_or(QUOTA_PER_UNIT)
}

/// The rows of a table; none if it does not exist or may not be read.
async fn table(
    database: &Database,
    name: &str,
    fields: &'static [Field],
    rest: &str,
    limit: usize,
) -> Result<Vec<Row>, GatewayError> {
    let columns: BTreeSet<String> = database.columns(name).await?;
    if columns.is_empty() {
        return Ok(Vec::new());
    }
    let sql = select(database.engine(), name, fields, &columns);
    database
        .rows(format!("{sql} {rest} LIMIT {limit}"), fields)
        .await
}

fn channel(mut row: Row) -> Channel {
    let id = row.int().unwrap_or_default();
    let name = row.text().unwrap_or_default();
    let mut number = || row.int().unwrap_or_default();
    let (kind, status) = (number(), number());
    let (group, tag) = (
        row.text().unwrap_or_default(),
        row.text().unwrap_or_default(),
    );
    let balance_usd = row.real().unwrap_or_default();
    let mut number = || row.int().unwrap_or_default();
    Channel {
        id,
        name,
        kind,
        status,
        group,
        tag,
        balance_usd,
        balance_updated: number(),
        used_quota: number(),
        response_time_ms: number(),
        tested: number(),
        disabled_keys: disabled_keys(&row.text().unwrap_or_default()),
    }
}

/// `{"multi_key_status_list":{"1":3}}`: index of a key, and its status.
fn disabled_keys(info: &str) -> u64 {
    let info: Value = serde_json::from_str(info).unwrap_or_default();
    let keys = info.get("multi_key_status_list").and_then(Value::as_object);
    let disabled = keys.map(|keys| keys.values().filter(|status| status.as_i64() != Some(1)));
    disabled.map_or(0, |keys| keys.count() as u64)
}

fn token(mut row: Row) -> Token {
    let id = row.int().unwrap_or_default();
    let name = row.text().unwrap_or_default();
    let mut number = || row.int().unwrap_or_default();
    Token {
        id,
        name,
        user_id: number(),
        status: number(),
        remaining_quota: number(),
        used_quota: number(),
        unlimited: number() != 0,
        expires: number(),
    }
}

fn ability(mut row: Row) -> Ability {
    Ability {
        channel_id: row.int().unwrap_or_default(),
        model: row.text().unwrap_or_default(),
        enabled: row.int() != Some(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_of_a_token_is_computed() {
        let token = |status, remaining_quota, expires, unlimited| Token {
            status,
            remaining_quota,
            unlimited,
            expires,
            ..Token::default()
        };
        for (token, state) in [
            (token(1, 5, -1, false), TokenState::Active),
            (token(2, 5, -1, false), TokenState::Disabled),
            (token(3, 5, -1, false), TokenState::Expired),
            (token(1, 5, 100, false), TokenState::Expired),
            (token(1, 5, 101, false), TokenState::Active),
            (token(4, 5, -1, false), TokenState::Exhausted),
            (token(1, 0, -1, false), TokenState::Exhausted),
            (token(1, -9, -1, true), TokenState::Active),
        ] {
            assert_eq!(token.state(100), state, "{token:?}");
        }
    }

    #[test]
    fn keys_that_the_gateway_disabled_are_counted() {
        assert_eq!(
            disabled_keys(r#"{"multi_key_status_list":{"0":1,"1":3,"2":2}}"#),
            2
        );
        assert_eq!(disabled_keys(r#"{"multi_key_status_list":null}"#), 0);
        assert_eq!(disabled_keys(""), 0);
    }
}
