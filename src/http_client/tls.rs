//! Verification of servers by a CA file.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::ClientError;

/// Accepts what webpki accepts with the file's certificates as trust anchors, and a certificate
/// that is itself in the file, as `curl --cacert` does.
///
/// webpki rejects the latter when it is marked as an authority, which `openssl req -x509` does.
#[derive(Debug)]
pub(super) struct FileVerifier {
    anchors: Arc<WebPkiServerVerifier>,
    certificates: Vec<CertificateDer<'static>>,
}

impl FileVerifier {
    pub(super) fn new(pem: &[u8], provider: Arc<CryptoProvider>) -> Result<Self, ClientError> {
        // Editors put a byte order mark first, which hides the first section.
        let pem = pem.strip_prefix(b"\xef\xbb\xbf").unwrap_or(pem);
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .map_err(|_shows_bytes| ClientError::Authorities)?;
        let mut roots = RootCertStore::empty();
        let (added, _ignored) = roots.add_parsable_certificates(certificates.iter().cloned());
        if added == 0 {
            return Err(ClientError::NoAuthority);
        }
        let anchors = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|_no_roots| ClientError::NoAuthority)?;
        Ok(Self {
            anchors,
            certificates,
        })
    }
}

impl ServerCertVerifier for FileVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.anchors.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match verified {
            // webpki checks the validity before it searches an issuer.
            Err(error) if lacks_issuer(&error) && self.certificates.contains(end_entity) => {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.anchors
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.anchors
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.anchors.supported_verify_schemes()
    }
}

/// No certificate in the file is the issuer; the certificate has no other fault. A signature is bad
/// when the file has another certificate of the same name, such as the one before a renewal.
pub(crate) fn lacks_issuer(error: &Error) -> bool {
    let Error::InvalidCertificate(error) = error else {
        return false;
    };
    // rustls has no variant for webpki's `CaUsedAsEndEntity`; only the text identifies it.
    [
        CertificateError::UnknownIssuer,
        CertificateError::BadSignature,
    ]
    .contains(error)
        || matches!(error, CertificateError::Other(_))
            && format!("{error:?}").contains("CaUsedAsEndEntity")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

    use super::*;

    const NOW: UnixTime = UnixTime::since_unix_epoch(Duration::from_hours(500_000));

    fn params(ca: bool) -> CertificateParams {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let name = if ca { "authority" } else { "server" };
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2028, 1, 1);
        if ca {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        params
    }

    fn verifier(pem: &str) -> FileVerifier {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        FileVerifier::new(pem.as_bytes(), provider).unwrap()
    }

    fn verify(
        verifier: &FileVerifier,
        certificate: &CertificateDer<'_>,
        name: &str,
        now: UnixTime,
    ) -> Result<(), CertificateError> {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        match verifier.verify_server_cert(certificate, &[], &name, &[], now) {
            Ok(_) => Ok(()),
            Err(Error::InvalidCertificate(error)) => Err(error),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn a_self_signed_certificate_of_the_file_is_trusted_for_its_name_and_time() {
        for ca in [false, true] {
            let key = KeyPair::generate().unwrap();
            let own = params(ca).self_signed(&key).unwrap();
            let verifier = verifier(&own.pem());
            assert_eq!(verify(&verifier, own.der(), "localhost", NOW), Ok(()));
            let other_name = verify(&verifier, own.der(), "other.example", NOW);
            assert!(
                matches!(
                    other_name,
                    Err(CertificateError::NotValidForNameContext { .. })
                ),
                "{ca} {other_name:?}"
            );
            let late = UnixTime::since_unix_epoch(Duration::from_secs(1_900_000_000));
            let expired = verify(&verifier, own.der(), "localhost", late);
            assert!(
                matches!(expired, Err(CertificateError::ExpiredContext { .. })),
                "{ca} {expired:?}"
            );
            let early = UnixTime::since_unix_epoch(Duration::from_secs(1_700_000_000));
            let early = verify(&verifier, own.der(), "localhost", early);
            assert!(
                matches!(early, Err(CertificateError::NotValidYetContext { .. })),
                "{ca} {early:?}"
            );
            // The same names with another key.
            let forged = params(ca)
                .self_signed(&KeyPair::generate().unwrap())
                .unwrap();
            let refused = verify(&verifier, forged.der(), "localhost", NOW).unwrap_err();
            assert!(lacks_issuer(&Error::InvalidCertificate(refused)), "{ca}");
        }
    }

    #[test]
    fn a_certificate_is_found_behind_one_of_the_same_name_and_a_byte_order_mark() {
        for ca in [false, true] {
            let [old, own] = [(); 2].map(|()| {
                let key = KeyPair::generate().unwrap();
                params(ca).self_signed(&key).unwrap()
            });
            let file = format!("\u{feff}{}{}", old.pem(), own.pem());
            let verifier = verifier(&file);
            for certificate in [old, own] {
                let found = verify(&verifier, certificate.der(), "localhost", NOW);
                assert_eq!(found, Ok(()), "{ca}");
            }
        }
    }

    #[test]
    fn a_damaged_file_is_refused_without_its_bytes() {
        let key = KeyPair::generate().unwrap();
        let whole = params(false).self_signed(&key).unwrap().pem();
        let cut = whole.get(..whole.len() / 2).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let error = FileVerifier::new(cut.as_bytes(), provider).unwrap_err();
        assert!(matches!(error, ClientError::Authorities), "{error}");
    }

    #[test]
    fn a_certificate_is_trusted_by_its_authority_or_itself() {
        let authority = CertifiedIssuer::self_signed(params(true), KeyPair::generate().unwrap());
        let authority = authority.unwrap();
        let key = KeyPair::generate().unwrap();
        let leaf = params(false).signed_by(&key, &authority).unwrap();
        for pem in [authority.pem(), leaf.pem()] {
            assert_eq!(
                verify(&verifier(&pem), leaf.der(), "localhost", NOW),
                Ok(())
            );
        }
        let stranger = params(true).self_signed(&key).unwrap();
        let refused = verify(&verifier(&stranger.pem()), leaf.der(), "localhost", NOW);
        assert!(refused.is_err());
    }
}
