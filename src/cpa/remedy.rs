//! Advice for the operator about a failed connection, derived from the error.

use std::error::Error;
use std::io;

use reqwest::StatusCode;
use rustls::{CertificateError, InvalidMessage};
use url::Url;

use super::client::HttpFailure;
use crate::errors::Chain;
use crate::http_client::lacks_issuer;

/// Maximum number of certificate names in a message.
const MAX_NAMES: usize = 5;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// TLS to a port that speaks plain HTTP.
    PlainPort,
    /// Plain HTTP to a port that speaks TLS.
    TlsPort,
    /// The connection was closed or reset before any HTTP response, or the bytes are not HTTP; a TLS
    /// port does this.
    PerhapsTlsPort,
    NoListener,
    UnknownHost,
    NoReply,
    UntrustedCertificate,
    /// The names for which the certificate is valid.
    OtherNames(Vec<String>),
    CertificateTime,
    /// A response that CPA never sends.
    NotCpa,
    Redirect,
    ProxyLogin,
    NoUpstream,
}

impl Remedy {
    /// Searches the error and its causes.
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        if let Some(remedy) = causes(error).find_map(of_one) {
            return Some(remedy);
        }
        let text = Chain(error).to_string();
        let name = ["failed to lookup address", "dns error"];
        name.iter()
            .any(|part| text.contains(part))
            .then_some(Self::UnknownHost)
    }

    /// One sentence for a log line or a message. `url` is `cpa.url`.
    pub(crate) fn text(&self, url: &Url) -> String {
        let host = url.host_str().unwrap_or_default();
        match self {
            Self::PlainPort => {
                "this CPA serves plain HTTP: write http:// in cpa.url, or set `tls.enable: true` in CPA"
                    .to_owned()
            }
            Self::TlsPort => "this port requires TLS: write https:// in cpa.url".to_owned(),
            Self::PerhapsTlsPort if url.scheme() == "https" => {
                "the port does not serve HTTP: check host and port of cpa.url".to_owned()
            }
            Self::PerhapsTlsPort => {
                "the port does not answer over HTTP: if CPA has `tls.enable: true`, write https:// in \
                 cpa.url"
                    .to_owned()
            }
            Self::NoListener => match no_port(url) {
                Some(text) => text,
                None => "nothing listens on this port: check that CPA runs, and its port (usually \
                         8317); in a container 127.0.0.1 is the container itself"
                    .to_owned(),
            },
            Self::UnknownHost => {
                format!("{host} does not resolve: check the host in cpa.url and this machine's DNS")
            }
            Self::NoReply => no_port(url).unwrap_or_else(|| {
                "check host and port of cpa.url and the firewalls on the path".to_owned()
            }),
            Self::UntrustedCertificate => {
                "the server's certificate is not trusted: add it or its CA to the \
                 file of cpa.tls_ca_file (PEM)"
                    .to_owned()
            }
            Self::OtherNames(names) => other_names(names, host),
            Self::CertificateTime => {
                "the server's certificate is expired or not valid yet: renew it, and check the \
                 clock of this machine"
                    .to_owned()
            }
            Self::NotCpa => {
                "the response is not from CPA's management API: check host, port (usually \
                 8317) and path of cpa.url; the path is the part before /v0/management"
                    .to_owned()
            }
            Self::Redirect => {
                "redirects are not followed: write the final address into cpa.url".to_owned()
            }
            Self::ProxyLogin => {
                "a proxy in front of CPA requires a login: exempt this machine".to_owned()
            }
            Self::NoUpstream => {
                "a proxy answers in front of CPA and cannot reach it: check that CPA runs"
                    .to_owned()
            }
        }
    }
}

/// The error and its causes.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| {
        let error = *error;
        // An `io::Error` skips its inner error in `source()`.
        match error.downcast_ref::<io::Error>().map(io::Error::get_ref) {
            Some(Some(inner)) => Some(inner),
            _ => error.source(),
        }
    })
}

fn other_names(names: &[String], host: &str) -> String {
    if names.is_empty() {
        return format!("the server's certificate has no subjectAltName: make one that has {host}");
    }
    format!(
        "the server's certificate is valid for {}, not for {host}: write a name of the certificate \
         in cpa.url, or make one whose subjectAltName has {host}",
        names.join(", ")
    )
}

/// Advice for a URL without a port.
fn no_port(url: &Url) -> Option<String> {
    if url.port().is_some() {
        return None;
    }
    let port = url.port_or_known_default()?;
    Some(format!(
        "cpa.url has no port, so the default {port} was used: CPA's port is usually 8317"
    ))
}

fn of_one(error: &(dyn Error + 'static)) -> Option<Remedy> {
    if let Some(failure) = error.downcast_ref::<HttpFailure>() {
        return of_http(failure);
    }
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return of_tls(error);
    }
    if let Some(error) = error.downcast_ref::<hyper::Error>()
        && (error.is_incomplete_message() || error.is_parse())
    {
        return Some(Remedy::PerhapsTlsPort);
    }
    if let Some(request) = error.downcast_ref::<reqwest::Error>() {
        if request.is_timeout() && request.is_connect() {
            return Some(Remedy::NoReply);
        }
        // Only of a request: an open RESP connection is reset when CPA ends.
        if causes(error).any(is_reset) {
            return Some(Remedy::PerhapsTlsPort);
        }
    }
    let kind = error.downcast_ref::<io::Error>()?.kind();
    let unreachable = [
        io::ErrorKind::TimedOut,
        io::ErrorKind::HostUnreachable,
        io::ErrorKind::NetworkUnreachable,
    ];
    if kind == io::ErrorKind::ConnectionRefused {
        Some(Remedy::NoListener)
    } else {
        unreachable.contains(&kind).then_some(Remedy::NoReply)
    }
}

fn is_reset(error: &(dyn Error + 'static)) -> bool {
    let resets = [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe];
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| resets.contains(&error.kind()))
}

fn of_http(failure: &HttpFailure) -> Option<Remedy> {
    match failure {
        HttpFailure::NotCpa(_) => Some(Remedy::NotCpa),
        HttpFailure::TlsExpected => Some(Remedy::TlsPort),
        HttpFailure::Status(status) if status.is_redirection() => Some(Remedy::Redirect),
        HttpFailure::Status(StatusCode::FORBIDDEN | StatusCode::PROXY_AUTHENTICATION_REQUIRED) => {
            Some(Remedy::ProxyLogin)
        }
        HttpFailure::Status(
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT,
        ) => Some(Remedy::NoUpstream),
        HttpFailure::NoAccess
        | HttpFailure::Status(_)
        | HttpFailure::Refused(_)
        | HttpFailure::Unreachable(_)
        | HttpFailure::TooLarge(_)
        | HttpFailure::Incomplete
        | HttpFailure::Content => None,
    }
}

fn of_tls(error: &rustls::Error) -> Option<Remedy> {
    if lacks_issuer(error) {
        return Some(Remedy::UntrustedCertificate);
    }
    if *error == rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) {
        return Some(Remedy::PlainPort);
    }
    let rustls::Error::InvalidCertificate(error) = error else {
        return None;
    };
    if let CertificateError::NotValidForNameContext { presented, .. } = error {
        // webpki shows each name with its kind: `DnsName("localhost")`.
        let plain = |name: &String| {
            let inner = name.split_once('(').map_or(&**name, |(_, rest)| rest);
            inner.trim_matches(['"', ')']).to_owned()
        };
        let names = presented.iter().take(MAX_NAMES).map(plain).collect();
        return Some(Remedy::OtherNames(names));
    }
    matches!(
        error,
        CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. }
    )
    .then_some(Remedy::CertificateTime)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpa::resp::RespFailure;
    use crate::http_client;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn the_cause_is_found_inside_the_error() {
        let tls = rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType);
        let wrapped = RespFailure::Connect(io::Error::new(io::ErrorKind::InvalidData, tls));
        assert_eq!(Remedy::of(&wrapped), Some(Remedy::PlainPort));
        let names = rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext {
            expected: "h".try_into().unwrap(),
            presented: vec!["DnsName(\"localhost\")".to_owned()],
        });
        let wrapped = RespFailure::Connect(io::Error::new(io::ErrorKind::InvalidData, names));
        let found = Remedy::of(&wrapped).unwrap();
        assert_eq!(found, Remedy::OtherNames(vec!["localhost".to_owned()]));
        assert!(
            found
                .text(&url("https://h:1"))
                .contains("valid for localhost, not for h")
        );
        let refused = RespFailure::Connect(io::ErrorKind::ConnectionRefused.into());
        assert_eq!(Remedy::of(&refused), Some(Remedy::NoListener));
        assert_eq!(
            Remedy::of(&HttpFailure::Status(StatusCode::MOVED_PERMANENTLY)),
            Some(Remedy::Redirect)
        );
        assert_eq!(Remedy::of(&HttpFailure::Content), None);
    }

    /// A TLS port that closes with unread bytes of the request resets the connection.
    #[tokio::test]
    async fn reset_of_a_plain_request_suggests_https() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut server = tokio::task::JoinSet::new();
        server.spawn(async move {
            loop {
                let (stream, _peer) = listener.accept().await.unwrap();
                stream.readable().await.unwrap();
                stream.set_zero_linger().unwrap();
            }
        });
        let (timeouts, never) = (http_client::Timeouts::default(), http_client::Proxy::Never);
        let client = http_client::build(timeouts, never, None).unwrap();
        let error = client.get(format!("http://{address}/")).send().await;
        let failure = HttpFailure::Unreachable(error.unwrap_err());
        let remedy = Remedy::of(&failure).unwrap();
        assert_eq!(remedy, Remedy::PerhapsTlsPort);
        assert!(remedy.text(&url("http://h:1")).contains("write https://"));
        let ended = RespFailure::Ended(Some(io::ErrorKind::ConnectionReset.into()));
        assert_eq!(Remedy::of(&ended), None);
    }

    #[test]
    fn a_url_without_a_port_suggests_the_port_first() {
        for (given, port) in [("http://h", "80"), ("https://h/cpa", "443")] {
            let text = Remedy::NoListener.text(&url(given));
            let expected = format!(
                "cpa.url has no port, so the default {port} was used: CPA's port is usually 8317"
            );
            assert_eq!(text, expected);
            assert_eq!(Remedy::NoReply.text(&url(given)), expected);
        }
        let text = Remedy::NoListener.text(&url("http://h:8317"));
        assert!(text.starts_with("nothing listens"), "{text}");
    }
}
