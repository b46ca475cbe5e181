//! Programs, ports and waits.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cpa_exporter::http_client::{self, Proxy, Timeouts};
use serde_json::Value;

/// Deadline of every wait; test machines are shared and slow.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

/// Whether all programs are installed. In CI a missing one is a failure, elsewhere a skip with a
/// message.
pub(crate) fn have(programs: &[&str]) -> bool {
    programs.iter().all(|name| {
        let mut asked = Command::new(name);
        asked
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let there = asked.status().is_ok();
        assert!(
            there || std::env::var_os("CI").is_none_or(|ci| ci != "true"),
            "{name} is not installed"
        );
        if !there {
            let mut stderr = std::io::stderr();
            writeln!(
                stderr,
                "SKIPPED: {name} is not installed; scripts/test installs it"
            )
            .unwrap();
        }
        there
    })
}

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Killed on drop.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null());
        Self(command.stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Polls until there is a result.
pub(crate) async fn eventually<T>(what: &str, check: impl AsyncFnMut() -> Option<T>) -> T {
    eventually_or(what, check, String::new).await
}

/// The same, with the current state in the failure message.
pub(crate) async fn eventually_or<T>(
    what: &str,
    mut check: impl AsyncFnMut() -> Option<T>,
    instead: impl Fn() -> String,
) -> T {
    let begin = Instant::now();
    loop {
        if let Some(answer) = check().await {
            return answer;
        }
        assert!(begin.elapsed() < DEADLINE, "{what}: never\n{}", instead());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) fn client() -> reqwest::Client {
    http_client::build(Timeouts::default(), Proxy::Never, None).unwrap()
}

pub(crate) async fn get(url: &str) -> Option<Value> {
    let answer = client().get(url).send().await.ok()?;
    serde_json::from_slice(&answer.bytes().await.ok()?).ok()
}

/// A running Alertmanager.
pub(crate) struct Alertmanager {
    pub(crate) url: String,
    _process: Process,
}

impl Alertmanager {
    pub(crate) async fn start(dir: &Path, config: &str) -> Self {
        let file = dir.join("alertmanager.yml");
        std::fs::write(&file, config).unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let mut command = Command::new("prometheus-alertmanager");
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.path={}", dir.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--web.external-url=http://alertmanager.test/")
            // No gossip: only this test's own ports.
            .arg("--cluster.listen-address=");
        let this = Self {
            url: format!("http://{address}"),
            _process: Process::start(&mut command),
        };
        let status = format!("{}/api/v2/status", this.url);
        eventually("Alertmanager is up", async || get(&status).await).await;
        this
    }

    pub(crate) async fn push(&self, alerts: &Value) {
        let url = format!("{}/api/v2/alerts", self.url);
        let answer = client().post(url).json(alerts).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
    }
}

/// Runs one of our scripts and returns its stdout or stderr.
pub(crate) fn script(name: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(root().join("scripts").join(name))
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() {
        Ok(text(output.stdout))
    } else {
        Err(text(output.stderr))
    }
}
