//! The file of `web.config.file`, in the format of Prometheus' exporter-toolkit: TLS, client
//! certificates, passwords, response headers and a rate limit.

mod client_certificates;
mod tls;

use std::{collections::BTreeMap, fmt, path::Path, path::PathBuf, sync::Arc, time::Duration};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use rustls::ServerConfig;

use super::{
    key::Key,
    problem::Origin,
    raw::{Entry, Raw},
    resolve::{Field, Resolver},
    section::section,
    value::{Value, text},
    yaml,
};

/// A valid file, as it was when it was read.
///
/// Two are equal when their path is: the server applies a changed content by itself.
#[derive(Clone, Debug, Default)]
pub struct WebFile {
    pub path: PathBuf,
    pub settings: Arc<WebSettings>,
    /// The files that it names.
    files: Vec<PathBuf>,
}

/// Content of the file; the default allows everything to everyone.
#[derive(Clone, Default)]
pub struct WebSettings {
    pub tls: Option<Arc<ServerConfig>>,
    /// Whether TLS accepts only clients with a valid certificate.
    pub requires_certificate: bool,
    /// Headers of each response.
    pub headers: HeaderMap,
    /// Empty: no password is required.
    pub users: Users,
    pub rate_limit: Option<RateLimit>,
}

/// bcrypt hashes of passwords by user.
#[derive(Clone, Default, PartialEq)]
pub struct Users(BTreeMap<String, String>);

/// A token bucket for requests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateLimit {
    /// Time after which another request is allowed.
    pub interval: Duration,
    /// Maximum number of requests at once.
    pub burst: u32,
}

section! {
    struct File {
        tls(tls_server_config): Option<tls::TlsServer>,
        http(http_server_config): HttpServer,
        users(basic_auth_users): Option<Users>,
        rate_limit: Option<Rate>,
    }
}

section! {
    struct HttpServer {
        // The server speaks HTTP/1.1 only, which every client understands.
        http2: bool = "true",
        headers: Option<Headers>,
    }
}

section! {
    struct Rate {
        interval: Duration = "0s",
        burst: u16 = "0",
    }
}

impl WebFile {
    /// Whether every client needs a password or a certificate.
    pub fn authenticates(&self) -> bool {
        !self.settings.users.is_empty() || self.settings.requires_certificate
    }

    /// The file, and the files that it names.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        std::iter::once(&self.path)
            .chain(&self.files)
            .map(PathBuf::as_path)
    }
}

impl PartialEq for WebFile {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path
    }
}

impl Field for WebFile {
    const VALUE_NAME: &'static str = "FILE";

    fn read(resolver: &mut Resolver<'_>, key: &Key) -> Option<Self> {
        let path = resolver.path(key)?;
        let convert = |resolver: &mut Resolver<'_>, file| {
            let earlier = resolver.problems.len();
            let read = web_file(resolver, file);
            // A key that is missing has no line.
            for problem in resolver.problems.iter_mut().skip(earlier) {
                if problem.origin == Origin::Default {
                    problem.origin = Origin::Path(path.clone());
                }
            }
            Self { path, ..read }
        };
        resolver.file_in(yaml::document, key, convert)
    }
}

fn web_file(resolver: &mut Resolver<'_>, file: File) -> WebFile {
    let tls = file.tls.map(|tls| (tls.files(), tls.build(resolver)));
    let (files, tls) = tls.unwrap_or_default();
    let rate = file.rate_limit.filter(|rate| !rate.interval.is_zero());
    let settings = WebSettings {
        requires_certificate: tls.as_ref().is_some_and(|tls| tls.requires_certificate),
        tls: tls.map(|tls| tls.config),
        headers: file.http.headers.map(|it| it.0).unwrap_or_default(),
        users: file.users.unwrap_or_default(),
        rate_limit: rate.map(|rate| RateLimit {
            interval: rate.interval,
            burst: rate.burst.into(),
        }),
    };
    WebFile {
        files,
        settings: Arc::new(settings),
        ..WebFile::default()
    }
}

impl Users {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn hash(&self, user: &str) -> Option<&str> {
        self.0.get(user).map(String::as_str)
    }

    pub fn hashes(&self) -> impl Iterator<Item = &str> {
        self.0.values().map(String::as_str)
    }
}

impl Value for Users {
    const QUOTED: bool = false;

    fn parse(raw: &Raw) -> Result<Self, String> {
        const EXPECTED: &str = "a map of users and their passwords as bcrypt hashes, which \
                                `htpasswd -nBC 10 USER` prints";
        let users = entries(raw, EXPECTED)?.iter().map(|entry| {
            let wrong = |text: &str| format!("{text} for user {:?}", entry.name);
            let hash = text(&entry.value, "").map_err(|_kind| wrong("a bcrypt hash"))?;
            let parsed = hash.parse::<bcrypt::HashParts>();
            parsed.map_err(|_shows_hash| wrong("a bcrypt hash"))?;
            Ok((entry.name.clone(), hash.to_owned()))
        });
        users.collect::<Result<_, String>>().map(Self)
    }
}

fn entries<'a>(raw: &'a Raw, expected: &str) -> Result<&'a [Entry], String> {
    if let Raw::Table(entries) = raw {
        return Ok(entries);
    }
    Err(expected.to_owned())
}

/// Headers that the format allows, with their values where these are a closed set.
const HEADERS: [(&str, &[&str]); 5] = [
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
    ("Content-Security-Policy", &[]),
];

#[derive(Clone, Debug, PartialEq)]
struct Headers(HeaderMap);

impl Value for Headers {
    fn parse(raw: &Raw) -> Result<Self, String> {
        let mut headers = HeaderMap::new();
        for entry in entries(raw, "a map of HTTP headers and their values")? {
            let known = HEADERS.iter().find(|(name, _)| *name == entry.name);
            let Some((name, values)) = known else {
                let names = HEADERS.map(|(name, _)| name).join(", ");
                return Err(format!("headers among {names}, found {}", entry.name));
            };
            if entry.value == Raw::Other(Raw::NOTHING) {
                continue;
            }
            let expected = if values.is_empty() {
                format!("a text for {name}")
            } else {
                format!("{} for {name}", values.join(" or "))
            };
            let value = text(&entry.value, &expected)?;
            let value = HeaderValue::try_from(value)
                .ok()
                .filter(|_| values.is_empty() || values.contains(&value));
            let name = HeaderName::try_from(*name).ok();
            let header = name.zip(value).ok_or(expected)?;
            headers.insert(header.0, header.1);
        }
        Ok(Self(headers))
    }
}

/// Without keys and hashes.
impl fmt::Debug for WebSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSettings")
            .field("tls", &self.tls.is_some())
            .field("requires_certificate", &self.requires_certificate)
            .field("headers", &self.headers)
            .field("users", &self.users)
            .field("rate_limit", &self.rate_limit)
            .finish()
    }
}

/// Without the hashes.
impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests;
