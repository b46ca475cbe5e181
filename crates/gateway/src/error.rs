/// Reason why the gateway's database cannot be read. Never contains a password.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    #[error("cannot read the SQLite database {path}")]
    Sqlite {
        path: String,
        #[source]
        source: rusqlite::Error,
    },
    #[error("the reading thread ended")]
    Thread,
    #[cfg(feature = "sql")]
    #[error("the gateway's database cannot be used{remedy}")]
    Server {
        remedy: &'static str,
        #[source]
        source: sqlx::Error,
    },
    #[error("the gateway's database does not answer")]
    Silent,
    #[error("{0}")]
    Unsupported(String),
    #[error(
        "the table {table} has no column {column}: is this the database of New API or One API?"
    )]
    Column { table: String, column: &'static str },
    #[error("the table {0} does not exist or may not be read")]
    Table(String),
}
