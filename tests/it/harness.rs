//! Runs the real binary against the simulator, each test with its own directory and ports.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cpa_exporter::http_client::{self, Proxy, Timeouts};
use cpa_exporter::simulator::{Simulator, SimulatorConfig, TrafficConfig};
use rusqlite::{Connection, OpenFlags};

/// Deadline of every wait; test machines are shared and slow.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

/// Samples of a page by `name{labels}`.
pub(crate) type Samples = BTreeMap<String, f64>;

/// A simulated CPA on a free port.
pub(crate) async fn simulator(change: impl FnOnce(&mut SimulatorConfig)) -> Simulator {
    let mut config = SimulatorConfig {
        listen: ([127, 0, 0, 1], 0).into(),
        retention: Duration::from_hours(1),
        traffic: TrafficConfig::default(),
        ..SimulatorConfig::default()
    };
    change(&mut config);
    Simulator::start(config).await.unwrap()
}

/// The running program.
#[derive(Debug)]
pub(crate) struct Exporter {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    addr: SocketAddr,
    client: reqwest::Client,
}

impl Exporter {
    pub(crate) async fn start(simulator: &Simulator, directory: &Path, flags: &[&str]) -> Self {
        Self::start_with_key(simulator, simulator.management_key(), directory, flags).await
    }

    pub(crate) async fn start_with_key(
        simulator: &Simulator,
        key: &str,
        directory: &Path,
        flags: &[&str],
    ) -> Self {
        let url = format!("http://{}", simulator.addr());
        Self::start_at(&url, &[("CPA_MANAGEMENT_KEY", key)], directory, flags).await
    }

    pub(crate) async fn start_at(
        url: &str,
        env: &[(&str, &str)],
        directory: &Path,
        flags: &[&str],
    ) -> Self {
        let mut command = command(directory);
        command
            .args(["--cpa.url", url])
            .args(flags)
            .envs(env.iter().copied());
        let mut child = command.spawn().unwrap();
        let log: Arc<Mutex<Vec<String>>> = Arc::default();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let sink = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                sink.lock().unwrap().push(line);
            }
        });
        let mut this = Self {
            child,
            log,
            addr: ([127, 0, 0, 1], 0).into(),
            client: http_client::build(Timeouts::default(), Proxy::Never, None).unwrap(),
        };
        let line = this.logged("\"message\":\"serving\"").await;
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        this.addr = line["address"].as_str().unwrap().parse().unwrap();
        this
    }

    pub(crate) const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Largest resident memory so far, in bytes.
    #[cfg(target_os = "linux")]
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.unwrap().trim().trim_end_matches(" kB");
        kilobytes.parse::<u64>().unwrap() * 1024
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    /// The first log line that contains `text`.
    pub(crate) async fn logged(&self, text: &str) -> String {
        let begin = Instant::now();
        loop {
            let lines = self.log.lock().unwrap().clone();
            if let Some(line) = lines.iter().find(|line| line.contains(text)) {
                return line.clone();
            }
            assert!(
                begin.elapsed() < DEADLINE,
                "{text:?} is never logged\n{}",
                lines.join("\n")
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn get(&self, path: &str, accept: &str) -> (u16, String) {
        let url = format!("http://{}{path}", self.addr);
        let response = self
            .client
            .get(url)
            .header("accept", accept)
            .send()
            .await
            .unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    /// Calls the API and returns status, `Retry-After` and the JSON.
    pub(crate) async fn api(
        &self,
        method: reqwest::Method,
        path: &str,
        token: Option<&str>,
    ) -> (u16, Option<u64>, serde_json::Value) {
        let url = format!("http://{}/api/v1/{path}", self.addr);
        let mut call = self.client.request(method, url);
        if let Some(token) = token {
            call = call.bearer_auth(token);
        }
        let response = call.send().await.unwrap();
        let status = response.status().as_u16();
        let wait = response.headers().get("retry-after");
        let wait = wait.map(|wait| wait.to_str().unwrap().parse().unwrap());
        let body = response.text().await.unwrap();
        (status, wait, serde_json::from_str(&body).unwrap())
    }

    pub(crate) async fn page(&self) -> String {
        self.get("/metrics", "").await.1
    }

    pub(crate) async fn samples(&self) -> Samples {
        samples(&self.page().await)
    }

    /// Waits until the page fulfils `condition`, and returns that page.
    pub(crate) async fn when(&self, what: &str, condition: impl Fn(&Samples) -> bool) -> Samples {
        let check = async || Some(self.samples().await).filter(&condition);
        let begin = Instant::now();
        loop {
            if let Some(samples) = check().await {
                return samples;
            }
            let log = self.log();
            assert!(
                begin.elapsed() < DEADLINE,
                "{what}: never\n{log}\n{:#?}",
                self.samples().await
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) async fn ready(&self) {
        eventually("ready", async || {
            (self.get("/-/ready", "").await.0 == 200).then_some(())
        })
        .await;
    }

    /// Sends SIGKILL, as the kernel's out-of-memory killer does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", name, &id])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Sends SIGTERM and returns the exit status.
    pub(crate) async fn terminate(mut self) -> (ExitStatus, String) {
        self.signal("TERM");
        let status = self.ended().await;
        (status, self.log())
    }

    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let child = &mut self.child;
        let begin = Instant::now();
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return status;
            }
            assert!(begin.elapsed() < Duration::from_secs(15), "does not end");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Runs the exporter until it has stored all records of this CPA, and stops it.
pub(crate) async fn run_once(simulator: &Simulator, directory: &Path) {
    let exporter = Exporter::start(simulator, directory, &[]).await;
    exporter.ready().await;
    let (status, log) = exporter.terminate().await;
    assert_eq!(status.code(), Some(0), "{log}");
}

/// A failed test must not leave processes.
impl Drop for Exporter {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The binary with the settings of every test.
pub(crate) fn command(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cpa-exporter"));
    command
        .env_clear()
        // In the environment, so that a test's flags win.
        .env("CPA_EXPORTER_WEB_LISTEN_ADDRESS", "127.0.0.1:0")
        .env("CPA_EXPORTER_LOG_FORMAT", "json")
        .env("CPA_EXPORTER_METRICS_ZERO_HOLD", "0s")
        .env("CPA_EXPORTER_STORAGE_PATH", directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// Polls until there is a result.
pub(crate) async fn eventually<T>(what: &str, mut check: impl AsyncFnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(answer) = check().await {
            return answer;
        }
        assert!(begin.elapsed() < DEADLINE, "{what}: never");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) fn samples(page: &str) -> Samples {
    let lines = page
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    let mut samples = Samples::new();
    for line in lines {
        // A sample's labels may contain spaces; an exemplar follows ` # `.
        let line = line.split(" # ").next().unwrap();
        let (name, value) = line.rsplit_once(' ').unwrap();
        let known = samples.insert(name.to_owned(), value.parse().unwrap());
        assert_eq!(known, None, "{name} is there twice");
    }
    samples
}

/// `provider="…",account="…"` of every account on the page, by index.
pub(crate) fn account_labels(page: &Samples) -> BTreeMap<String, String> {
    let infos = page
        .keys()
        .filter_map(|name| name.strip_prefix("cpa_account_info{"));
    infos
        .map(|labels| {
            let (account, rest) = labels.split_once(",auth_index=\"").unwrap();
            let index = rest.split('"').next().unwrap();
            (index.to_owned(), account.to_owned())
        })
        .collect()
}

/// Sum over all series of a family.
pub(crate) fn sum(samples: &Samples, family: &str) -> f64 {
    let of_family = |name: &str| name == family || name.starts_with(&format!("{family}{{"));
    samples
        .iter()
        .filter(|(name, _)| of_family(name))
        .map(|(_, value)| value)
        .sum()
}

/// The database, read beside the program.
pub(crate) fn database(directory: &Path) -> Connection {
    let path = directory.join("cpa-exporter.db");
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    conn.busy_timeout(Duration::from_secs(5)).unwrap();
    conn
}

pub(crate) fn count(directory: &Path, sql: &str) -> i64 {
    database(directory)
        .query_row(sql, [], |row| row.get(0))
        .unwrap()
}

/// Requests, failures and tokens in the database: the expected values of the counters.
pub(crate) fn stored(directory: &Path) -> [f64; 3] {
    let sql = "SELECT count(*) FILTER (WHERE flags & 2 = 0), \
               count(*) FILTER (WHERE flags & 3 = 1), \
               total(input + cache_read + cache_write + output + reasoning + unclassified) FROM event";
    let conn = database(directory);
    conn.query_row(sql, [], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?]))
        .unwrap()
}

/// The same three from the page.
pub(crate) fn counted(samples: &Samples) -> [f64; 3] {
    [
        "cpa_requests_total",
        "cpa_request_failures_total",
        "cpa_tokens_total",
    ]
    .map(|family| sum(samples, family))
}

pub(crate) fn spool_files(directory: &Path) -> Vec<PathBuf> {
    let spool = fs::read_dir(directory.join("spool")).unwrap();
    let mut files: Vec<_> = spool.map(|e| e.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|suffix| suffix == "spool"));
    files.sort();
    files
}
