//! `web.config.file` at the socket: TLS, client certificates, passwords, changes while it runs.

use std::fs;
use std::path::{Path, PathBuf};

use cpa_exporter::simulator::Simulator;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    SanType,
};
use reqwest::{Certificate, Client, Identity, StatusCode};
use tempfile::TempDir;

use crate::harness::{Exporter, command, eventually, simulator};
use crate::prometheus::{program, query, start_prometheus_with};

const PASSWORD: &str = "a password";

/// A directory with a certificate for localhost and a file of `web.config.file` that uses it.
struct Web {
    dir: TempDir,
    simulator: Simulator,
}

impl Web {
    async fn new(text: &str) -> Self {
        let web = Self {
            dir: tempfile::tempdir().unwrap(),
            simulator: simulator(|_| {}).await,
        };
        web.certify();
        fs::write(web.path("web.yml"), text).unwrap();
        web
    }

    /// Replaces the server's certificate.
    fn certify(&self) {
        let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        fs::write(self.path("server.crt"), own.cert.pem()).unwrap();
        fs::write(self.path("server.key"), own.signing_key.serialize_pem()).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    async fn start(&self) -> Exporter {
        let file = format!("--web.config.file={}", self.path("web.yml").display());
        Exporter::start(&self.simulator, &self.path("data"), &[&file]).await
    }

    /// A client that trusts the present certificate.
    fn client(&self) -> reqwest::ClientBuilder {
        let pem = fs::read(self.path("server.crt")).unwrap();
        Client::builder().tls_certs_only([Certificate::from_pem(&pem).unwrap()])
    }
}

fn url(exporter: &Exporter, path: &str) -> String {
    format!("https://localhost:{}{path}", exporter.addr().port())
}

async fn status(client: &Client, exporter: &Exporter, password: Option<&str>) -> StatusCode {
    let mut request = client.get(url(exporter, "/metrics"));
    if let Some(password) = password {
        request = request.basic_auth("prometheus", Some(password));
    }
    request.send().await.unwrap().status()
}

const TLS: &str = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n";

fn users(password: &str) -> String {
    let hash = bcrypt::hash(password, 4).unwrap();
    format!("basic_auth_users:\n  prometheus: {hash}\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_required_on_every_path_and_changes_apply_without_a_restart() {
    let headers = "http_server_config: { headers: { X-Frame-Options: sameorigin } }\n";
    let web = Web::new(&format!("{TLS}{headers}{}", users(PASSWORD))).await;
    let exporter = web.start().await;
    let client = web.client().build().unwrap();
    for path in [
        "/",
        "/metrics",
        "/-/healthy",
        "/-/ready",
        "/api/v1/quota",
        "/absent",
    ] {
        let refused = client.get(url(&exporter, path)).send().await.unwrap();
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(refused.headers()["www-authenticate"], "Basic", "{path}");
        assert_eq!(refused.headers()["x-frame-options"], "sameorigin", "{path}");
    }
    assert_eq!(status(&client, &exporter, Some("wrong")).await, 401);
    for _ in 0..2 {
        assert_eq!(status(&client, &exporter, Some(PASSWORD)).await, 200);
    }
    let unknown = client
        .get(url(&exporter, "/"))
        .basic_auth("nobody", Some(PASSWORD));
    assert_eq!(unknown.send().await.unwrap().status(), 401);
    // A password reads the API and does not write.
    let api = client
        .get(url(&exporter, "/api/v1/quota"))
        .basic_auth("prometheus", Some(PASSWORD));
    assert_eq!(api.send().await.unwrap().status(), 200);
    let api = client.post(url(&exporter, "/api/v1/quota/refresh"));
    let api = api.basic_auth("prometheus", Some(PASSWORD));
    assert_eq!(api.send().await.unwrap().status(), 403);

    // An invalid file changes nothing.
    fs::write(web.path("web.yml"), "basic_auth_users: 1\n").unwrap();
    let line = exporter.logged("web configuration not reloaded").await;
    assert!(
        line.contains("web.yml:1:1: basic_auth_users: expected a map"),
        "{line}"
    );
    assert_eq!(status(&client, &exporter, Some(PASSWORD)).await, 200);
    // Another password applies to the open connection.
    fs::write(web.path("web.yml"), format!("{TLS}{}", users("another"))).unwrap();
    eventually("new password", async || {
        (status(&client, &exporter, Some("another")).await == 200).then_some(())
    })
    .await;
    assert_eq!(status(&client, &exporter, Some(PASSWORD)).await, 401);
    // A renewed certificate applies to the next connection.
    web.certify();
    let client = web.client().pool_max_idle_per_host(0).build().unwrap();
    eventually("new certificate", async || {
        let request = client.get(url(&exporter, "/metrics"));
        request.send().await.ok()
    })
    .await;
    let (status, log) = exporter.terminate().await;
    assert_eq!(status.code(), Some(0), "{log}");
    for secret in [PASSWORD, "$2b$", "PRIVATE"] {
        assert!(!log.contains(secret), "{secret}\n{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn local_commands_need_no_password() {
    let web = Web::new(&format!("{TLS}{}", users(PASSWORD))).await;
    let exporter = web.start().await;
    let data = web.path("data");
    let address = exporter.addr().to_string();
    for arguments in [&["healthcheck"][..], &["quota"], &["quota", "refresh"]] {
        let output = command(&data)
            .args(arguments)
            .args(["--web.listen-address", &address, "--web.config.file"])
            .arg(web.path("web.yml"))
            .output()
            .unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{arguments:?}: {errors}");
        assert!(
            !errors.contains("no exporter runs"),
            "{arguments:?}: {errors}"
        );
    }
    drop(exporter);
}

/// An authority, and clients with certificates of it.
fn clients(web: &Web) -> impl Fn(Option<&str>) -> Client {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    fs::write(web.path("clients.crt"), authority.pem()).unwrap();
    move |name| {
        let Some(name) = name else {
            return web.client().build().unwrap();
        };
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        if name.contains('@') {
            params.subject_alt_names = vec![SanType::Rfc822Name(name.try_into().unwrap())];
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        let pem = format!("{}{}", certificate.pem(), key.serialize_pem());
        let identity = Identity::from_pem(pem.as_bytes()).unwrap();
        web.client().identity(identity).build().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_certificates_of_the_authority_with_an_allowed_name_are_accepted() {
    let verify = format!(
        "{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: clients.crt\n"
    );
    let names = "  client_allowed_sans: [prometheus.example, 192.0.2.7, ops@a.example]\n";
    let web = Web::new(&(verify.clone() + names)).await;
    let client = clients(&web);
    let other = Web::new("").await;
    let stranger = clients(&other);
    fs::copy(web.path("server.crt"), other.path("server.crt")).unwrap();
    let exporter = web.start().await;
    let answer = async |client: Client| {
        let request = client.get(url(&exporter, "/metrics"));
        request.send().await.ok().map(|answer| answer.status())
    };
    for name in ["prometheus.example", "192.0.2.7", "ops@a.example"] {
        assert_eq!(
            answer(client(Some(name))).await,
            Some(StatusCode::OK),
            "{name}"
        );
        assert_eq!(answer(stranger(Some(name))).await, None, "{name}");
    }
    for name in ["other.example", "192.0.2.8", "*.example", "dev@a.example"] {
        assert_eq!(answer(client(Some(name))).await, None, "{name}");
    }
    assert_eq!(answer(client(None)).await, None);
    exporter.logged("the TLS handshake failed").await;
    // Without the list, each certificate of the authority is accepted.
    fs::write(web.path("web.yml"), &verify).unwrap();
    eventually("any name", async || {
        answer(client(Some("other.example"))).await
    })
    .await;
    assert_eq!(answer(client(None)).await, None);
    let given = verify
        .replace("RequireAndVerify", "Verify")
        .replace("Cert\n", "CertIfGiven\n");
    fs::write(web.path("web.yml"), given).unwrap();
    eventually("no certificate", async || answer(client(None)).await).await;
    assert_eq!(answer(stranger(Some("prometheus.example"))).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_and_the_rate_limit_apply() {
    let web = Web::new(&format!(
        "{TLS}  min_version: TLS13\nrate_limit: {{ interval: 1h, burst: 3 }}\n"
    ))
    .await;
    let exporter = web.start().await;
    let old = web
        .client()
        .tls_version_max(reqwest::tls::Version::TLS_1_2)
        .build()
        .unwrap();
    assert!(old.get(url(&exporter, "/")).send().await.is_err());
    let client = web.client().build().unwrap();
    for expected in [200, 200, 200, 429] {
        assert_eq!(status(&client, &exporter, None).await, expected);
    }
    // The server speaks TLS only.
    let plain = format!("http://localhost:{}/", exporter.addr().port());
    assert!(client.get(plain).send().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_scrapes_with_the_documented_example() {
    if program("prometheus").is_none() {
        return;
    }
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/web-config.yml");
    let web = Web::new(&fs::read_to_string(example).unwrap()).await;
    let exporter = web.start().await;
    let scrape = |password: &str| {
        format!(
            "  scheme: https\n  tls_config: {{ ca_file: '{}' }}\n  \
             basic_auth: {{ username: prometheus, password: {password} }}\n",
            web.path("server.crt").display()
        )
    };
    let target = format!("localhost:{}", exporter.addr().port());
    for (password, up) in [("example", "1"), ("wrong", "0")] {
        let dir = tempfile::tempdir().unwrap();
        let (_process, base) = start_prometheus_with(dir.path(), &target, &scrape(password));
        let value = eventually("scrape", async || {
            let found = query(&base, "/api/v1/query?query=up").await?;
            let value = found["data"]["result"][0]["value"][1].as_str()?;
            Some(value.to_owned())
        })
        .await;
        assert_eq!(value, up, "{password}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_address_without_authentication_is_a_warning() {
    let simulator = simulator(|_| {}).await;
    let dir = tempfile::tempdir().unwrap();
    let check = |flags: &[&str]| {
        let mut check = command(dir.path());
        check.arg("check-config").args(flags);
        check.env("CPA_MANAGEMENT_KEY", simulator.management_key());
        let output = check.output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let text = "other machines can reach this address without authentication";
    assert!(check(&["--web.listen-address=:10317"]).contains(text));
    assert!(check(&["--web.listen-address=192.0.2.1:10317"]).contains(text));
    for address in ["127.0.0.1:10317", "[::1]:10317", "localhost:10317"] {
        let listen = format!("--web.listen-address={address}");
        assert!(!check(&[&listen]).contains(text), "{address}");
    }
    let file = dir.path().join("web.yml");
    fs::write(&file, users(PASSWORD)).unwrap();
    let file = format!("--web.config.file={}", file.display());
    assert!(!check(&["--web.listen-address=:10317", &file]).contains(text));
    fs::write(dir.path().join("web.yml"), "rate_limit: {}\n").unwrap();
    assert!(check(&["--web.listen-address=:10317", &file]).contains(text));
}
