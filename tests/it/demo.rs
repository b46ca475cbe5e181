//! The demo on a terminal, from start to end.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use cpa_exporter::http_client::{Proxy, Timeouts, build};
use tempfile::tempdir;

use crate::harness::{eventually, samples, sum};
use crate::prometheus::{Process, program};

/// The demo on a terminal of its own, and its printed address.
fn on_a_terminal(temporary: &Path) -> (Process, String) {
    let demo = env!("CARGO_BIN_EXE_cpa-exporter");
    let mut script = Command::new("script")
        .args(["--quiet", "--flush", "--return", "--command"])
        .arg(format!("exec {demo} demo --listen 127.0.0.1:0"))
        .arg("/dev/null")
        .env("TMPDIR", temporary)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(script.stdout.take().unwrap()).lines();
    let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
        let (_, rest) = line.split_once("http://")?;
        Some(rest.split('/').next().unwrap().to_owned())
    });
    // The program must not block on its output.
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    (Process(script), address.unwrap())
}

fn directories(temporary: &Path) -> usize {
    fs::read_dir(temporary).unwrap().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_shows_true_values_at_once_and_ends_with_its_terminal() {
    if program("script").is_none() {
        return;
    }
    let temporary = tempdir().unwrap();
    let (terminal, address) = on_a_terminal(temporary.path());
    let client = build(Timeouts::default(), Proxy::Never, None).unwrap();
    let page = async |scrapes: bool| {
        let mut request = client.get(format!("http://{address}/metrics"));
        if scrapes {
            request = request.header("X-Prometheus-Scrape-Timeout-Seconds", "10");
        }
        let body = request.send().await.ok()?.text().await.ok()?;
        Some(sum(&samples(&body), "cpa_requests_total"))
    };
    // Without a scrape, every series is as at the start.
    let shown = eventually("requests", async || {
        page(false).await.filter(|requests| *requests > 0.0)
    });
    assert!(shown.await > 0.0);
    assert_eq!(page(true).await, Some(0.0), "a scraper begins with zeros");
    assert_eq!(directories(temporary.path()), 1);
    // Closing the window ends the terminal, and the kernel sends SIGHUP.
    drop(terminal);
    eventually("the demo has ended and removed its data", async || {
        (directories(temporary.path()) == 0).then_some(())
    })
    .await;
}
