//! `tls_server_config`: rustls' configuration with the meaning that the keys have in Go.

use std::{fmt, path::PathBuf, sync::Arc};

use rustls::{
    CipherSuite, NamedGroup, RootCertStore, ServerConfig, SupportedProtocolVersion,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::{NoClientAuth, WebPkiClientVerifier, danger::ClientCertVerifier},
    version::{TLS12, TLS13},
};

use super::client_certificates::AllowedNames;
use crate::config::{
    Secret,
    key::Key,
    problem::{Origin, Problem},
    raw::Raw,
    resolve::{Field, Resolver},
    section::section,
    value::{Patterns, Value, text, words},
};

section! {
    pub(super) struct TlsServer {
        cert: Option<Pem>,
        cert_file: Option<Pem>,
        key: Option<Pem>,
        key_file: Option<Pem>,
        client_auth_type: Option<ClientAuth>,
        client_ca: Option<Pem>,
        client_ca_file: Option<Pem>,
        client_allowed_sans: Option<Patterns>,
        min_version: Lowest = "TLS12",
        max_version: Highest = "TLS13",
        cipher_suites: Option<CipherSuites>,
        prefer_server_cipher_suites: bool = "true",
        curve_preferences: Option<Curves>,
    }
}

words! {
    /// Go's names. An unverified certificate proves nothing, so the types that require one are
    /// not supported.
    pub(super) enum ClientAuth {
        No = "NoClientCert",
        /// Nothing uses the certificate.
        Request = "RequestClientCert",
        VerifyIfGiven = "VerifyClientCertIfGiven",
        Require = "RequireAndVerifyClientCert",
    }
}

words! {
    pub(super) enum Highest { Tls12 = "TLS12", Tls13 = "TLS13" }
}

words! {
    pub(super) enum Version { Tls10 = "TLS10", Tls11 = "TLS11", Tls12 = "TLS12", Tls13 = "TLS13" }
}

/// A lower version than the lowest that we speak changes nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Lowest(Version);

impl Value for Lowest {
    fn parse(raw: &Raw) -> Result<Self, String> {
        Version::parse(raw).map(Self)
    }

    fn warning(&self, _text: &str) -> Option<String> {
        let is_old = matches!(self.0, Version::Tls10 | Version::Tls11);
        is_old.then(|| "the server speaks TLS 1.2 and 1.3 only".to_owned())
    }
}

/// A usable configuration.
#[derive(Debug)]
pub(super) struct Tls {
    pub(super) config: Arc<ServerConfig>,
    pub(super) requires_certificate: bool,
}

impl TlsServer {
    pub(super) fn files(&self) -> Vec<PathBuf> {
        [&self.cert_file, &self.key_file, &self.client_ca_file]
            .into_iter()
            .filter_map(|pem| pem.as_ref()?.file.clone())
            .collect()
    }

    /// `None` without a key that enables TLS, and after a problem.
    pub(super) fn build(self, resolver: &mut Resolver<'_>) -> Option<Tls> {
        let cert = self.cert_file.or(self.cert);
        let key = self.key_file.or(self.key);
        let authorities = self.client_ca_file.or(self.client_ca);
        if cert.is_none()
            && key.is_none()
            && authorities.is_none()
            && self.client_auth_type.is_none()
        {
            return None;
        }
        let parts = Parts {
            cert,
            key,
            authorities,
            auth: self.client_auth_type.unwrap_or(ClientAuth::No),
            names: self.client_allowed_sans.map(|names| names.0),
            provider: provider(self.cipher_suites, self.curve_preferences),
            versions: versions(self.min_version, self.max_version),
            ignore_client_order: self.prefer_server_cipher_suites,
        };
        let requires_certificate = parts.auth == ClientAuth::Require;
        let built = parts.build();
        let config = built.map_err(|problem| resolver.problems.push(problem));
        Some(Tls {
            config: Arc::new(config.ok()?),
            requires_certificate,
        })
    }
}

fn versions(lowest: Lowest, highest: Highest) -> Vec<&'static SupportedProtocolVersion> {
    let mut versions = vec![&TLS12, &TLS13];
    if lowest.0 == Version::Tls13 {
        versions.retain(|version| **version != TLS12);
    }
    if highest == Highest::Tls12 {
        versions.retain(|version| **version != TLS13);
    }
    versions
}

fn provider(suites: Option<CipherSuites>, curves: Option<Curves>) -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    if let Some(CipherSuites(suites)) = suites {
        // Those of TLS 1.3 are not configurable, as in Go.
        let is_new = |suite: CipherSuite| suite.as_str().is_some_and(|it| it.starts_with("TLS13"));
        let rank = |suite: CipherSuite| suites.iter().position(|it| *it == suite);
        let kept = &mut provider.cipher_suites;
        kept.retain(|it| is_new(it.suite()) || rank(it.suite()).is_some());
        kept.sort_by_key(|it| rank(it.suite()));
    }
    if let Some(Curves(curves)) = curves {
        let rank = |group: NamedGroup| curves.iter().position(|it| *it == group);
        provider.kx_groups.retain(|it| rank(it.name()).is_some());
        provider.kx_groups.sort_by_key(|it| rank(it.name()));
    }
    provider
}

struct Parts {
    cert: Option<Pem>,
    key: Option<Pem>,
    authorities: Option<Pem>,
    auth: ClientAuth,
    names: Option<Vec<String>>,
    provider: CryptoProvider,
    versions: Vec<&'static SupportedProtocolVersion>,
    ignore_client_order: bool,
}

impl Parts {
    fn build(self) -> Result<ServerConfig, Problem> {
        const SECTION: &str = "tls_server_config";
        let general = |text: &str| Problem::new(Origin::Default, SECTION, text);
        let cert = self
            .cert
            .ok_or_else(|| general("cert_file (or cert) is required"))?;
        let key = self
            .key
            .ok_or_else(|| general("key_file (or key) is required"))?;
        if self.versions.is_empty() {
            return Err(general("min_version is higher than max_version"));
        }
        let provider = Arc::new(self.provider);
        let verifier = verifier(self.auth, self.authorities, self.names, &provider)?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&self.versions)
            .map_err(|error| general(&error.to_string()))?
            .with_client_cert_verifier(verifier)
            .with_single_cert(cert.certificates()?, key.private_key()?)
            .map_err(|error| cert.problem(format!("does not fit the key: {error}")))?;
        config.ignore_client_order = self.ignore_client_order;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

fn verifier(
    auth: ClientAuth,
    authorities: Option<Pem>,
    names: Option<Vec<String>>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, Problem> {
    let about = |key: &str, text: &str| {
        Problem::new(Origin::Default, &format!("tls_server_config.{key}"), text)
    };
    if names.is_some() && auth != ClientAuth::Require {
        let text = "needs client_auth_type: RequireAndVerifyClientCert";
        return Err(about("client_allowed_sans", text));
    }
    if matches!(auth, ClientAuth::No | ClientAuth::Request) {
        return match authorities {
            Some(pem) => Err(pem.problem("has no use without client_auth_type".to_owned())),
            None => Ok(Arc::new(NoClientAuth)),
        };
    }
    let missing = || about("client_ca_file", "is required by client_auth_type");
    let authorities = authorities.ok_or_else(missing)?;
    let mut roots = RootCertStore::empty();
    for certificate in authorities.certificates()? {
        let added = roots.add(certificate);
        added.map_err(|error| authorities.problem(format!("has no valid certificate: {error}")))?;
    }
    let builder =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    let builder = if auth == ClientAuth::VerifyIfGiven {
        builder.allow_unauthenticated()
    } else {
        builder
    };
    let verifier = builder
        .build()
        .map_err(|error| authorities.problem(format!("cannot be used: {error}")))?;
    Ok(match names {
        Some(names) => Arc::new(AllowedNames::new(verifier, names)),
        None => verifier,
    })
}

/// Text in PEM, or that of the file that a key with the ending `_file` names.
#[derive(Clone, PartialEq)]
pub(super) struct Pem {
    text: String,
    file: Option<PathBuf>,
    origin: Origin,
    name: String,
}

impl Field for Pem {
    fn read(resolver: &mut Resolver<'_>, key: &Key) -> Option<Self> {
        let origin = resolver.origin(key.path);
        let (text, file) = if key.path.ends_with("_file") {
            let path = resolver.path(key)?;
            let text = resolver.text(&path, key)?;
            if key.path == "key_file" {
                let file = Secret::from_file(&*path);
                resolver.warn_if_exposed(&file, origin.clone(), key);
            }
            (text, Some(path))
        } else {
            let given = resolver.given(key.path)?.raw.clone();
            match text(&given, "text in PEM") {
                Ok(text) => (text.to_owned(), None),
                Err(expected) => {
                    resolver.problem(origin, key, format!("expected {expected}"));
                    return None;
                }
            }
        };
        Some(Self {
            text,
            file,
            origin,
            name: format!("{}{}", resolver.within, key.path),
        })
    }
}

impl Pem {
    fn problem(&self, text: String) -> Problem {
        Problem::new(self.origin.clone(), &self.name, text)
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, Problem> {
        let certificates = CertificateDer::pem_slice_iter(self.text.as_bytes());
        match certificates.collect::<Result<Vec<_>, _>>() {
            Ok(found) if !found.is_empty() => Ok(found),
            // The error of a damaged section quotes it.
            Ok(_) | Err(_) => Err(self.problem("has no certificate in PEM".to_owned())),
        }
    }

    fn private_key(&self) -> Result<PrivateKeyDer<'static>, Problem> {
        PrivateKeyDer::from_pem_slice(self.text.as_bytes())
            .map_err(|_shows_bytes| self.problem("has no unencrypted key in PEM".to_owned()))
    }
}

/// Without the text, which may be a private key.
impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pem")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

/// The suites of TLS 1.2 that rustls has too; others of Go's are not offered.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CipherSuites(Vec<CipherSuite>);

impl Value for CipherSuites {
    fn parse(raw: &Raw) -> Result<Self, String> {
        const EXPECTED: &str = "a list of Go's names of cipher suites";
        let names = Patterns::parse(raw)
            .map_err(|_other| EXPECTED.to_owned())?
            .0;
        let known = aws_lc_rs::ALL_CIPHER_SUITES;
        let mut suites = Vec::new();
        for name in &names {
            // Go has no prefix for those of TLS 1.3.
            let is = |suite: CipherSuite| {
                suite
                    .as_str()
                    .is_some_and(|it| it.replace("TLS13_", "TLS_") == *name)
            };
            match known.iter().find(|it| is(it.suite())) {
                Some(found) => suites.push(found.suite()),
                None if is_old(name) => {}
                None => return Err(format!("{EXPECTED}, found {name:?}")),
            }
        }
        Ok(Self(suites))
    }
}

/// Suites without forward secrecy or without authenticated encryption, which Go still has.
fn is_old(name: &str) -> bool {
    name.starts_with("TLS_RSA_WITH_")
        || name.starts_with("TLS_ECDHE_") && (name.contains("_CBC_") || name.contains("_RC4_"))
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Curves(Vec<NamedGroup>);

impl Value for Curves {
    fn parse(raw: &Raw) -> Result<Self, String> {
        const NAMES: [(&str, NamedGroup); 3] = [
            ("X25519", NamedGroup::X25519),
            ("CurveP256", NamedGroup::secp256r1),
            ("CurveP384", NamedGroup::secp384r1),
        ];
        let expected = || format!("a list of {}", NAMES.map(|(name, _)| name).join(", "));
        let names = Patterns::parse(raw).map_err(|_other| expected())?.0;
        let group = |name: &String| {
            let known = NAMES.iter().find(|(known, _)| known == name);
            known
                .map(|(_, group)| *group)
                .ok_or_else(|| format!("{}, found {name:?}", expected()))
        };
        names.iter().map(group).collect::<Result<_, _>>().map(Self)
    }
}
