//! Tables and objects of the simulated gateway. Only columns that mean something here.

use rusqlite::Connection;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS logs (
    id integer PRIMARY KEY, user_id integer, created_at integer, type integer, content text,
    username text, token_name text, model_name text, quota integer, prompt_tokens integer,
    completion_tokens integer, use_time integer, is_stream numeric, channel_id integer,
    token_id integer, `group` text, request_id text, other text
);
CREATE TABLE IF NOT EXISTS channels (
    id integer PRIMARY KEY, type integer, name text, status integer, `group` text, tag text,
    balance real, balance_updated_time integer, used_quota integer, response_time integer,
    test_time integer
);
CREATE TABLE IF NOT EXISTS tokens (
    id integer PRIMARY KEY, user_id integer, name text, status integer, remain_quota integer,
    used_quota integer, unlimited_quota numeric, expired_time integer, deleted_at datetime
);
CREATE TABLE IF NOT EXISTS abilities (
    `group` text, model text, channel_id integer, enabled numeric,
    PRIMARY KEY (`group`, model, channel_id)
);
CREATE TABLE IF NOT EXISTS options (`key` text PRIMARY KEY, value text);
CREATE INDEX IF NOT EXISTS idx_created_at_id ON logs (created_at, id);
";

pub(super) const INSERT: &str = "INSERT INTO logs (id, created_at, type, token_name, model_name, \
    quota, prompt_tokens, completion_tokens, use_time, is_stream, channel_id, token_id, other, \
    user_id, username, `group`) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?12, 'user', 'default')";

pub(super) const TOKENS: u64 = 6;

#[derive(Clone, Copy, Debug)]
pub(super) struct Model {
    pub(super) name: &'static str,
    pub(super) channels: &'static [i64],
    /// Price of a prompt token.
    pub(super) nano_usd: u64,
    pub(super) claude: bool,
}

/// Of a list without entries.
pub(super) const FALLBACK: Model = Model {
    name: "gpt-5.1",
    channels: &[1],
    nano_usd: 1250,
    claude: false,
};

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "gpt-5.1",
        channels: &[1, 2],
        nano_usd: 1250,
        claude: false,
    },
    Model {
        name: "gpt-5.1-mini",
        channels: &[1, 2],
        nano_usd: 250,
        claude: false,
    },
    Model {
        name: "claude-opus-4-6",
        channels: &[3, 4],
        nano_usd: 5000,
        claude: true,
    },
    Model {
        name: "claude-haiku-4-5",
        channels: &[3],
        nano_usd: 1000,
        claude: true,
    },
    Model {
        name: "deepseek-chat",
        channels: &[5],
        nano_usd: 280,
        claude: false,
    },
];

/// Id, name, provider of New API, balance in dollars.
pub(super) const CHANNELS: &[(i64, &str, i64, f64)] = &[
    (1, "openai-main", 1, 84.5),
    (2, "openai-reserve", 1, 12.0),
    (3, "claude-main", 14, 0.0),
    (4, "claude-reserve", 14, 0.0),
    (5, "deepseek", 43, 7.25),
];

pub(super) const ABILITIES: &[(i64, &str)] = &[
    (1, "gpt-5.1"),
    (2, "gpt-5.1"),
    (1, "gpt-5.1-mini"),
    (2, "gpt-5.1-mini"),
    (3, "claude-opus-4-6"),
    (4, "claude-opus-4-6"),
    (3, "claude-haiku-4-5"),
    (5, "deepseek-chat"),
];

pub(super) fn create(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch(TABLES)?;
    for sql in objects() {
        conn.execute(&sql, [])?;
    }
    Ok(())
}

/// The rows of `channels` and `abilities`, for the database.
fn objects() -> impl Iterator<Item = String> {
    let channels = CHANNELS.iter().map(|(id, name, kind, balance)| {
        format!(
            "INSERT OR IGNORE INTO channels VALUES ({id}, {kind}, '{name}', 1, 'default', '', {balance}, \
             unixepoch(), 0, {}, unixepoch())",
            400 + id * 100
        )
    });
    let tokens = (1..=TOKENS).map(|id| {
        format!(
            "INSERT OR IGNORE INTO tokens VALUES ({id}, {id}, 'token-{id}', 1, {}, 0, {}, -1, NULL)",
            id * 200_000,
            u64::from(id == 1)
        )
    });
    let abilities = ABILITIES.iter().map(|(channel, model)| {
        format!("INSERT OR IGNORE INTO abilities VALUES ('default', '{model}', {channel}, 1)")
    });
    channels.chain(tokens).chain(abilities)
}
