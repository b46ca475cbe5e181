//! Addresses: of CPA and of the exporter's server.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    str::FromStr,
};

use url::Url;

use super::{
    raw::Raw,
    value::{Value, text},
};

/// Base URL of the CPA: http or https, a host, no credentials, no query.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CpaUrl(Url);

const MANAGEMENT_PAGE: &str = "/management.html";
/// Paths of CPA's pages and APIs below the base URL, which people copy.
const ENDINGS: [&str; 5] = [
    MANAGEMENT_PAGE,
    "/v0/management",
    "/v8/management",
    "/v1",
    "/v0",
];

impl CpaUrl {
    /// With a path that ends in `/`, so that relative paths can be joined.
    pub fn as_url(&self) -> &Url {
        &self.0
    }

    pub fn is_tls(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// For a connection; an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        let host = self.0.host_str().unwrap_or_default();
        host.strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host)
    }

    pub fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or(8317)
    }

    /// The URL of an endpoint; `path` without a leading `/`.
    #[must_use]
    pub fn endpoint(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        url.set_path(&format!("{}{path}", self.0.path()));
        url
    }

    pub fn is_loopback(&self) -> bool {
        match self.0.host() {
            Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
            Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        }
    }
}

impl fmt::Display for CpaUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

impl Value for CpaUrl {
    const NAME: &'static str = "URL";
    // It may contain a password.
    const QUOTED: bool = false;

    fn parse(raw: &Raw) -> Result<Self, String> {
        const EXPECTED: &str = "an http or https URL such as \"http://127.0.0.1:8317\"";
        let mut url: Url = text(raw, EXPECTED)?
            .parse()
            .map_err(|_bad| EXPECTED.to_owned())?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(EXPECTED.to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("a URL without user and password; the key has its own place".to_owned());
        }
        let base = without_ending(url.path());
        // The management page keeps its state after these characters.
        let page = url.path().to_ascii_lowercase().contains(MANAGEMENT_PAGE);
        if !page && (url.query().is_some() || url.fragment().is_some()) {
            return Err("a URL without ? and #".to_owned());
        }
        let path = format!("{base}/");
        url.set_query(None);
        url.set_fragment(None);
        url.set_path(&path);
        Ok(Self(url))
    }

    /// When the given URL ended in one of CPA's own paths.
    fn warning(&self, given: &str) -> Option<String> {
        let given = given.parse::<Url>().ok()?;
        let is_shorter = given.path().trim_end_matches('/') != self.0.path().trim_end_matches('/');
        is_shorter.then(|| format!("the base URL of CPA ends before its own paths; {self} is used"))
    }
}

/// The path without trailing slashes and known endings.
fn without_ending(path: &str) -> &str {
    let mut base = path.trim_end_matches('/');
    while let Some(shorter) = ENDINGS.iter().find_map(|ending| {
        let (rest, last) = base.split_at_checked(base.len().checked_sub(ending.len())?)?;
        last.eq_ignore_ascii_case(ending).then_some(rest)
    }) {
        base = shorter.trim_end_matches('/');
    }
    base
}

/// Listen address: `127.0.0.1:10317`, `[::1]:10317`, `localhost:10317`, `:10317` for every
/// interface, or `unix:/path` for a Unix socket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListenAddress {
    host: Host,
    port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Host {
    Every,
    Ip(IpAddr),
    Name(String),
    /// Its port has no meaning.
    Unix(PathBuf),
}

const UNIX: &str = "unix:";

impl ListenAddress {
    /// Addresses to bind, in order of preference: every interface is tried as IPv6, which includes
    /// IPv4 where the system allows it, then as IPv4.
    pub fn bind_to(&self) -> Vec<String> {
        let port = self.port;
        match &self.host {
            Host::Every => vec![format!("[::]:{port}"), format!("0.0.0.0:{port}")],
            Host::Ip(ip) => vec![SocketAddr::new(*ip, port).to_string()],
            Host::Name(name) => vec![format!("{name}:{port}")],
            Host::Unix(_) => Vec::new(),
        }
    }

    pub fn is_loopback(&self) -> bool {
        match &self.host {
            Host::Every => false,
            Host::Ip(ip) => ip.is_loopback(),
            Host::Name(name) => name == "localhost",
            Host::Unix(_) => true,
        }
    }

    /// The path of a Unix socket.
    pub fn unix_path(&self) -> Option<&Path> {
        if let Host::Unix(path) = &self.host {
            return Some(path);
        }
        None
    }

    /// Address for clients on the same machine.
    pub fn reach_at(&self) -> String {
        let port = self.port;
        match &self.host {
            Host::Every => format!("127.0.0.1:{port}"),
            Host::Ip(ip) if ip.is_unspecified() && ip.is_ipv4() => format!("127.0.0.1:{port}"),
            Host::Ip(ip) if ip.is_unspecified() => {
                SocketAddr::new(Ipv6Addr::LOCALHOST.into(), port).to_string()
            }
            Host::Ip(ip) => SocketAddr::new(*ip, port).to_string(),
            Host::Name(name) => format!("{name}:{port}"),
            Host::Unix(_) => self.to_string(),
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Every => write!(f, ":{}", self.port),
            Host::Ip(ip) => SocketAddr::new(*ip, self.port).fmt(f),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
            Host::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

impl FromStr for ListenAddress {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if let Ok(address) = SocketAddr::from_str(text) {
            let host = Host::Ip(address.ip());
            let port = address.port();
            return Ok(Self { host, port });
        }
        if let Some(path) = text.strip_prefix(UNIX) {
            let host = Host::Unix(PathBuf::from(path));
            return path
                .starts_with('/')
                .then_some(Self { host, port: 0 })
                .ok_or(());
        }
        let (host, port) = text.rsplit_once(':').ok_or(())?;
        let port = port.parse().map_err(drop)?;
        let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        let host = match host {
            "" | "*" => Host::Every,
            name if name.chars().all(named) => Host::Name(name.to_owned()),
            _ => return Err(()),
        };
        Ok(Self { host, port })
    }
}

impl Value for ListenAddress {
    const NAME: &'static str = "ADDRESS";

    fn parse(raw: &Raw) -> Result<Self, String> {
        const EXPECTED: &str = "an address with a port such as \"127.0.0.1:10317\" or \":10317\", or \
                                \"unix:/path\"";
        text(raw, EXPECTED)?
            .parse()
            .map_err(|()| EXPECTED.to_owned())
    }
}

/// Path of the metrics: starts with `/`, plain characters, no reserved path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TelemetryPath(String);

impl TelemetryPath {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Value for TelemetryPath {
    const NAME: &'static str = "PATH";

    fn parse(raw: &Raw) -> Result<Self, String> {
        const EXPECTED: &str = "a path such as \"/metrics\": letters, digits, / - _ . ~";
        let path = text(raw, EXPECTED)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.' | '~');
        let segments_filled = path.split('/').skip(1).all(|segment| !segment.is_empty());
        if !path.starts_with('/') || !path.chars().all(plain) || !segments_filled {
            return Err(EXPECTED.to_owned());
        }
        if path == "/-" || path.starts_with("/-/") {
            return Err("a path outside /-/, which has a meaning already".to_owned());
        }
        Ok(Self(path.to_owned()))
    }
}
