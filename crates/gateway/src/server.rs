//! PostgreSQL and MySQL (MariaDB): one connection that only reads.
//!
//! Statements are sent as text, so that they pass through poolers and leave no prepared statement
//! behind. Their numbers are part of the text, and nothing else of it comes from outside but the name
//! of the log's table, which is quoted.

use std::time::Duration;

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlRow};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Decode, Executor as _, Type};
use tokio::sync::Mutex;
use tokio::time::timeout;
use url::Url;

use crate::table::{Kind, Row, Value};
use crate::{Engine, GatewayError};

/// The server ends a statement after this time.
const STATEMENT_SECONDS: u32 = 10;
const CONNECT: Duration = Duration::from_secs(10);
/// Longer than the server's limit, for a server that does not answer.
const ANSWER: Duration = Duration::from_secs(15);

/// A server, and its connection once there is one.
#[derive(Debug)]
pub(crate) struct Server {
    options: Options,
    connection: Mutex<Option<Connection>>,
}

#[derive(Debug)]
enum Options {
    Postgres(PgConnectOptions),
    Mysql(MySqlConnectOptions),
}

#[derive(Debug)]
enum Connection {
    Postgres(PgConnection),
    Mysql(MySqlConnection),
}

impl Server {
    pub(crate) fn new(engine: Engine, url: &Url) -> Result<Self, GatewayError> {
        let options = match engine {
            Engine::Mysql => {
                let mut url = url.clone();
                // `mariadb:` is the same protocol. The scheme of a URL with a host can be changed.
                url.set_scheme("mysql").ok();
                Options::Mysql(MySqlConnectOptions::from_url(&url).map_err(configuration)?)
            }
            Engine::Postgres | Engine::Sqlite => Options::Postgres(
                PgConnectOptions::from_url(url)
                    .map_err(configuration)?
                    .application_name("cpa-exporter"),
            ),
        };
        Ok(Self {
            options,
            connection: Mutex::new(None),
        })
    }

    /// After an error the next statement connects again.
    pub(crate) async fn rows(&self, sql: String, kinds: &[Kind]) -> Result<Vec<Row>, GatewayError> {
        let mut place = self.connection.lock().await;
        let mut connection = match place.take() {
            Some(connection) => connection,
            None => timeout(CONNECT, self.options.connect())
                .await
                .map_err(|_elapsed| GatewayError::Silent)??,
        };
        let rows = timeout(ANSWER, connection.rows(sql, kinds))
            .await
            .map_err(|_elapsed| GatewayError::Silent)??;
        *place = Some(connection);
        Ok(rows)
    }
}

impl Options {
    async fn connect(&self) -> Result<Connection, GatewayError> {
        match self {
            Self::Postgres(options) => {
                let mut connection = options.connect().await.map_err(failed)?;
                let sql = format!(
                    "SET default_transaction_read_only = on; \
                     SET statement_timeout = '{STATEMENT_SECONDS}s'; \
                     SET idle_in_transaction_session_timeout = '{STATEMENT_SECONDS}s'"
                );
                connection
                    .execute(sqlx::raw_sql(AssertSqlSafe(sql)))
                    .await
                    .map_err(failed)?;
                Ok(Connection::Postgres(connection))
            }
            Self::Mysql(options) => {
                let mut connection = options.connect().await.map_err(failed)?;
                connection
                    .execute("SET SESSION TRANSACTION READ ONLY")
                    .await
                    .map_err(failed)?;
                // MariaDB has the one in seconds, MySQL the other in milliseconds.
                let mariadb = format!("SET SESSION max_statement_time = {STATEMENT_SECONDS}");
                let limited = connection.execute(AssertSqlSafe(mariadb)).await;
                if limited.is_err() {
                    let mysql = format!(
                        "SET SESSION MAX_EXECUTION_TIME = {}",
                        STATEMENT_SECONDS * 1000
                    );
                    connection
                        .execute(AssertSqlSafe(mysql))
                        .await
                        .map_err(failed)?;
                }
                Ok(Connection::Mysql(connection))
            }
        }
    }
}

impl Connection {
    async fn rows(&mut self, sql: String, kinds: &[Kind]) -> Result<Vec<Row>, GatewayError> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql));
        match self {
            Self::Postgres(connection) => {
                let rows = connection.fetch_all(sql).await.map_err(failed)?;
                rows.iter().map(|row| read_postgres(row, kinds)).collect()
            }
            Self::Mysql(connection) => {
                let rows = connection.fetch_all(sql).await.map_err(failed)?;
                rows.iter().map(|row| read_mysql(row, kinds)).collect()
            }
        }
    }
}

fn read_postgres(row: &PgRow, kinds: &[Kind]) -> Result<Row, GatewayError> {
    read(row, kinds)
}

fn read_mysql(row: &MySqlRow, kinds: &[Kind]) -> Result<Row, GatewayError> {
    read(row, kinds)
}

fn read<R>(row: &R, kinds: &[Kind]) -> Result<Row, GatewayError>
where
    R: sqlx::Row,
    usize: sqlx::ColumnIndex<R>,
    for<'r> i64: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> f64: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> String: Decode<'r, R::Database> + Type<R::Database>,
{
    let value = |(at, kind): (usize, &Kind)| {
        Ok(match kind {
            Kind::Int | Kind::Bool => row.try_get::<Option<i64>, _>(at)?.map(Value::Int),
            Kind::Real => row.try_get::<Option<f64>, _>(at)?.map(Value::Real),
            Kind::Text => row.try_get::<Option<String>, _>(at)?.map(Value::Text),
        }
        .unwrap_or(Value::Null))
    };
    let values = kinds.iter().enumerate().map(value);
    values
        .collect::<Result<_, sqlx::Error>>()
        .map(Row::new)
        .map_err(failed)
}

/// Of a URL that the driver does not accept. Its text could quote the password.
fn configuration(_may_quote: sqlx::Error) -> GatewayError {
    GatewayError::Unsupported(
        "the URL of the gateway's database has a parameter or a value that is not known".to_owned(),
    )
}

/// With the remedy for what people meet first.
fn failed(error: sqlx::Error) -> GatewayError {
    let code = error
        .as_database_error()
        .and_then(|error| Some(error.code()?.into_owned()));
    let remedy = match code.as_deref() {
        Some("1142" | "1143" | "42000" | "42501") => {
            ": grant SELECT on the columns that docs/gateways.md lists"
        }
        Some("1045" | "28000" | "28P01") => ": check user and password of the URL",
        _ if error.to_string().to_ascii_lowercase().contains("rsa") => {
            ": MySQL 8's caching_sha2_password needs TLS: add ?ssl-mode=REQUIRED to the URL, or create \
             the user WITH mysql_native_password"
        }
        _ => "",
    };
    GatewayError::Server {
        remedy,
        source: error,
    }
}
