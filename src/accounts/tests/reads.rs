//! Reads of a server with configurable responses.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::super::account_set::AccountSet;
use super::{decoding, time};
use crate::clock::Clock;
use crate::cpa::lists::{ListsFailure, ListsReader, RequestCounts};
use crate::cpa::{Client, ClientParts, HttpFailure};
use crate::http_client::{self, Proxy, Timeouts};

/// Status and body by path; other paths return a bare 404.
type Answers = Arc<Mutex<BTreeMap<&'static str, (u16, String)>>>;

struct Server {
    answers: Answers,
    reader: ListsReader,
    asked: Arc<Mutex<Vec<String>>>,
    _task: JoinSet<()>,
}

const FILES: &str = "/v0/management/auth-files";
const KEYS: &str = "/v0/management/codex-api-key";
const USAGE: &str = "/v0/management/api-key-usage";
const V8: &str = "/v8/management/credentials";
const V8_USAGE: &str = "/v8/management/observability/usage/api-keys";
const KEY: &str = r#"{"codex-api-key":[{"api-key":"sk-0123456789","base-url":"https://x/","auth-index":"00bb"}]}"#;
const FILE: &str =
    r#"{"files":[{"auth_index":"00aa","provider":"codex","status":"active","success":5}]}"#;

impl Server {
    async fn start(answers: &[(&'static str, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/", listener.local_addr().unwrap());
        let of = |(path, body): &(&'static str, &str)| (*path, (200, (*body).to_owned()));
        let answers: Answers = Arc::new(Mutex::new(answers.iter().map(of).collect()));
        let asked = Arc::default();
        let mut task = JoinSet::new();
        task.spawn(serve(listener, Arc::clone(&answers), Arc::clone(&asked)));
        let client = Client::new(ClientParts {
            url: base.parse().unwrap(),
            http: http_client::build(Timeouts::default(), Proxy::Never, None).unwrap(),
            tls: None,
            clock: Clock::system(),
            read_key: Box::new(|| Ok("key".into())),
            report: Box::new(|_| ()),
        });
        client
            .access()
            .key(&CancellationToken::new())
            .await
            .unwrap();
        client.detect().await.unwrap();
        Self {
            answers,
            reader: ListsReader::new(client, decoding()),
            asked,
            _task: task,
        }
    }

    fn set(&self, path: &'static str, status: u16, body: impl Into<String>) {
        let mut answers = self.answers.lock().unwrap();
        answers.insert(path, (status, body.into()));
    }

    /// Indexes after a read of all lists.
    async fn snapshot(&mut self, set: &mut AccountSet) -> Result<Vec<String>, ListsFailure> {
        set.apply(&self.reader.all().await?, time("2026-11-22T04:37:00Z"));
        let list = set.list();
        Ok(list.iter().map(|a| a.auth_index.to_string()).collect())
    }
}

async fn serve(listener: TcpListener, answers: Answers, asked: Arc<Mutex<Vec<String>>>) {
    loop {
        let (mut stream, _peer) = listener.accept().await.unwrap();
        let target = request(&mut stream).await;
        let path = target.split('?').next().unwrap();
        let answer = answers.lock().unwrap().get(path).cloned();
        asked.lock().unwrap().push(target.clone());
        let (status, body) = answer.unwrap_or((404, String::new()));
        // Makes the second page differ from the first.
        let body = body.replace(
            "$PAGE",
            target
                .split("page=")
                .nth(1)
                .unwrap_or("")
                .get(..1)
                .unwrap_or(""),
        );
        let version = if status == 404 && body.is_empty() && !path.starts_with("/v0") {
            ""
        } else {
            "x-cpa-version: 7.2.140\r\n"
        };
        let head = format!(
            "HTTP/1.1 {status} X\r\n{version}content-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        // The client may close the connection early.
        stream.write_all(body.as_bytes()).await.ok();
    }
}

async fn request(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    head.split(' ').nth(1).unwrap().to_owned()
}

/// Captures the log while the guard lives.
fn listen() -> (tracing::subscriber::DefaultGuard, impl Fn() -> String) {
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);
    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let log = Log::default();
    let sink = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || sink.clone())
        .finish();
    let read = move || String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    (tracing::subscriber::set_default(subscriber), read)
}

const DEBUG: (&str, &str) = ("/v0/management/debug", r#"{"debug":false}"#);

#[tokio::test]
async fn invalid_list_keeps_the_previous_one_and_is_logged_once() {
    let (_guard, log) = listen();
    let mut server = Server::start(&[DEBUG, (FILES, FILE), (KEYS, KEY), (USAGE, "{}")]).await;
    let mut set = AccountSet::default();
    assert_eq!(server.snapshot(&mut set).await.unwrap(), ["00aa", "00bb"]);
    let logged = || log().matches("is not an account list").count();
    assert_eq!(logged(), 0);
    for hostile in [
        "<html>sk-0123456789</html>",
        "null",
        r#"{"codex-api-key":"sk-0123456789"}"#,
    ] {
        server.set(KEYS, 200, hostile);
        assert_eq!(
            server.snapshot(&mut set).await.unwrap(),
            ["00aa", "00bb"],
            "{hostile}"
        );
    }
    assert_eq!(logged(), 1, "{}", log());
    server.set(KEYS, 404, "");
    assert_eq!(server.snapshot(&mut set).await.unwrap(), ["00aa"]);
    let many = format!(
        r#"{{"files":[{}{}"#,
        "7,".repeat(5000),
        FILE.get(10..).unwrap()
    );
    server.set(FILES, 200, many);
    assert_eq!(server.snapshot(&mut set).await.unwrap(), ["00aa"]);
    assert_eq!(server.snapshot(&mut set).await.unwrap(), ["00aa"]);
    assert_eq!(log().matches("are ignored").count(), 1, "{}", log());
    assert!(!log().contains("sk-0123456789"), "{}", log());
}

#[tokio::test]
async fn missing_credential_list_is_a_failure_not_an_empty_pool() {
    let mut server = Server::start(&[DEBUG, (FILES, FILE)]).await;
    let mut set = AccountSet::default();
    assert_eq!(server.snapshot(&mut set).await.unwrap(), ["00aa"]);
    for hostile in ["<html>", "{}", "[]", r#"{"files":null}"#, ""] {
        server.set(FILES, 200, hostile);
        let failure = server.snapshot(&mut set).await.unwrap_err();
        assert!(
            matches!(failure, ListsFailure::Content),
            "{hostile}: {failure:?}"
        );
    }
    server.set(FILES, 503, "sorry");
    let failure = server.snapshot(&mut set).await.unwrap_err();
    assert!(
        matches!(failure, ListsFailure::Http(HttpFailure::Status(_))),
        "{failure:?}"
    );
    assert_eq!(set.list().len(), 1);
    server.set(FILES, 200, r#"{"files":[]}"#);
    assert!(server.snapshot(&mut set).await.unwrap().is_empty());
}

#[tokio::test]
async fn all_pages_are_read_up_to_a_limit() {
    let page = r#"{"files":[{"auth_index":"0$PAGE"}],"has_more":true}"#;
    let mut server = Server::start(&[(V8, page), (V8_USAGE, "{}")]).await;
    let mut set = AccountSet::default();
    // Nine indexes, because only the first digit of a page's number is used; there is no v0 at all.
    assert_eq!(server.snapshot(&mut set).await.unwrap().len(), 9);
    let asked = server.asked.lock().unwrap().clone();
    let pages = asked
        .iter()
        .filter(|target| target.contains("page_size=500"));
    assert_eq!(pages.count(), 200);
}

#[tokio::test]
async fn requests_are_counted_by_credential_in_complete_and_in_short_reads() {
    let usage = r#"{"codex":{"https://x/|sk-0123456789":{"success":7,"failed":1}}}"#;
    let mut server = Server::start(&[DEBUG, (FILES, FILE), (KEYS, KEY), (USAGE, usage)]).await;
    let sorted = |counts: Option<RequestCounts>| {
        counts.map(|counts| {
            let mut counts: Vec<u64> = counts.into_values().collect();
            counts.sort_unstable();
            counts
        })
    };
    let mut set = AccountSet::default();
    let lists = server.reader.all().await.unwrap();
    assert_eq!(sorted(lists.counts()), Some(vec![5, 8]));
    set.apply(&lists, time("2026-11-22T04:37:00Z"));
    assert_eq!(set.list()[1].success, Some(7));
    server.set(
        USAGE,
        200,
        r#"{"codex":{"https://x/|sk-0123456789":{"success":8,"failed":1}}}"#,
    );
    let lists = server.reader.counted().await.unwrap();
    assert_eq!(sorted(lists.counts()), Some(vec![5, 9]));
    // The keys of the earlier read stay and get the new counts.
    set.apply(&lists, time("2026-11-22T04:38:00Z"));
    assert_eq!(set.list()[1].success, Some(8));
    server.set(USAGE, 200, "<html>");
    assert_eq!(sorted(server.reader.all().await.unwrap().counts()), None);
}
