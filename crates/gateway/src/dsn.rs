//! Where a database is, as a URL.

use std::fmt;
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;
use url::Url;

use crate::Engine;

/// The address of a database. Its `Debug` and `Display` show no password.
#[derive(Clone, PartialEq, Eq)]
pub struct Dsn(Place);

#[derive(Clone, PartialEq, Eq)]
enum Place {
    File(PathBuf),
    Server(Engine, Url),
}

/// Never contains the text, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DsnError {
    #[error(
        "expected a URL such as sqlite:///data/one-api.db, postgres://user@host:5432/newapi or \
         mysql://user@host:3306/newapi"
    )]
    Format,
    #[error(
        "this is the form of the gateway's SQL_DSN, user:password@tcp(host:3306)/name; write it as \
         mysql://user:password@host:3306/name, special characters of the password percent-encoded"
    )]
    GoForm,
    #[error(
        "ClickHouse is not supported: its log has no ids; read the gateway's main database, or keep \
         the log in PostgreSQL or MySQL"
    )]
    ClickHouse,
    #[error(
        "the URL names no database: write it behind the port, as in postgres://host:5432/newapi"
    )]
    NoDatabase,
}

impl Dsn {
    pub fn parse(text: &str) -> Result<Self, DsnError> {
        let text = text.trim();
        let Some((scheme, rest)) = text.split_once(':') else {
            return Err(DsnError::Format);
        };
        let engine = match scheme.to_ascii_lowercase().as_str() {
            "sqlite" | "sqlite3" => return file(rest).map(|path| Self(Place::File(path))),
            "postgres" | "postgresql" => Engine::Postgres,
            "mysql" | "mariadb" => Engine::Mysql,
            "clickhouse" | "tcp" | "http" | "https" => return Err(DsnError::ClickHouse),
            _ if text.contains("@tcp(") || text.contains("@unix(") => return Err(DsnError::GoForm),
            _ => return Err(DsnError::Format),
        };
        if text.contains("@tcp(") {
            return Err(DsnError::GoForm);
        }
        let url = Url::parse(text).map_err(|_may_quote| DsnError::Format)?;
        if !url.has_host() {
            return Err(DsnError::Format);
        }
        if url.path().trim_matches('/').is_empty() {
            return Err(DsnError::NoDatabase);
        }
        Ok(Self(Place::Server(engine, url)))
    }

    pub fn engine(&self) -> Engine {
        match &self.0 {
            Place::File(_) => Engine::Sqlite,
            Place::Server(engine, _) => *engine,
        }
    }

    /// Whether it contains a password, which must not be on a command line.
    pub fn has_password(&self) -> bool {
        match &self.0 {
            Place::File(_) => false,
            Place::Server(_, url) => {
                url.password().is_some() || url.query_pairs().any(|(name, _)| name == "password")
            }
        }
    }

    /// The file of a SQLite database.
    pub fn file(&self) -> Option<&Path> {
        match &self.0 {
            Place::File(path) => Some(path),
            Place::Server(..) => None,
        }
    }

    /// The URL of a server, with the password.
    pub fn url(&self) -> Option<&Url> {
        match &self.0 {
            Place::File(_) => None,
            Place::Server(_, url) => Some(url),
        }
    }

    /// Names the database without user and password.
    pub fn location(&self) -> String {
        match &self.0 {
            Place::File(path) => format!("sqlite:{}", path.display()),
            Place::Server(engine, url) => {
                let port = url
                    .port()
                    .map_or_else(String::new, |port| format!(":{port}"));
                let host = url.host_str().unwrap_or_default();
                format!("{}://{host}{port}{}", engine.name(), url.path())
            }
        }
    }
}

/// `//` and an absolute or relative path; parameters of the gateway's own driver are ignored.
fn file(rest: &str) -> Result<PathBuf, DsnError> {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    let path = percent_decode_str(path)
        .decode_utf8()
        .map_err(|_not_utf8| DsnError::Format)?;
    if path.is_empty() || path == "/" {
        return Err(DsnError::Format);
    }
    Ok(PathBuf::from(path.as_ref()))
}

impl fmt::Display for Dsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.location())
    }
}

impl fmt::Debug for Dsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dsn({})", self.location())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_each_engine_are_read() {
        for (text, engine, location) in [
            (
                "sqlite:///data/one-api.db",
                Engine::Sqlite,
                "sqlite:/data/one-api.db",
            ),
            (
                "sqlite://one%20api.db?_busy_timeout=30000",
                Engine::Sqlite,
                "sqlite:one api.db",
            ),
            ("sqlite:one-api.db", Engine::Sqlite, "sqlite:one-api.db"),
            (
                "postgres://ro:p%40ss@db:5432/newapi?sslmode=require",
                Engine::Postgres,
                "postgres://db:5432/newapi",
            ),
            (
                "mariadb://ro@[::1]:3306/newapi",
                Engine::Mysql,
                "mysql://[::1]:3306/newapi",
            ),
        ] {
            let dsn = Dsn::parse(text).unwrap();
            assert_eq!(
                (dsn.engine(), dsn.location()),
                (engine, location.to_owned()),
                "{text}"
            );
            assert!(!format!("{dsn:?} {dsn}").contains("p%40ss"));
        }
    }

    #[test]
    fn a_wrong_text_is_refused_with_its_remedy_and_not_quoted() {
        for (text, error) in [
            ("", DsnError::Format),
            ("/data/one-api.db", DsnError::Format),
            ("sqlite://", DsnError::Format),
            ("root:hunter2@tcp(mysql:3306)/new-api", DsnError::GoForm),
            (
                "mysql://root:hunter2@tcp(mysql:3306)/new-api",
                DsnError::GoForm,
            ),
            ("clickhouse://u:hunter2@h:9000/logs", DsnError::ClickHouse),
            ("postgres://u:hunter2@h", DsnError::NoDatabase),
            ("oracle://u:hunter2@h/x", DsnError::Format),
        ] {
            assert_eq!(Dsn::parse(text), Err(error), "{text}");
            assert!(!error.to_string().contains("hunter2"));
        }
    }

    #[test]
    fn a_password_is_found_wherever_the_drivers_read_it() {
        for (text, has) in [
            ("sqlite:///x.db", false),
            ("postgres://ro@h/x", false),
            ("postgres://ro:x@h/x", true),
            ("postgres://ro@h/x?password=x", true),
            ("mysql://ro:@h/x", true),
        ] {
            let found = Dsn::parse(text).is_ok_and(|dsn| dsn.has_password());
            // An empty password is none.
            assert_eq!(found, has && text != "mysql://ro:@h/x", "{text}");
        }
    }
}
