//! Servers of the channels: one HTTP server for all web channels, one SMTP server.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Uri, header};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A received message and its path; `/mail` for e-mails.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) path: String,
    pub(crate) authorization: String,
    pub(crate) body: String,
}

#[derive(Clone, Debug, Default)]
struct Inbox(Arc<Mutex<Vec<Arrival>>>);

#[derive(Debug)]
pub(crate) struct Sinks {
    pub(crate) http: SocketAddr,
    pub(crate) smtp: SocketAddr,
    inbox: Inbox,
    _tasks: JoinSet<()>,
}

impl Sinks {
    pub(crate) async fn start() -> Self {
        let inbox = Inbox::default();
        let mut tasks = JoinSet::new();
        let web = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mail = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self {
            http: web.local_addr().unwrap(),
            smtp: mail.local_addr().unwrap(),
            inbox: inbox.clone(),
            _tasks: {
                let router = Router::new().fallback(post).with_state(inbox.clone());
                tasks.spawn(async move { axum::serve(web, router).await.unwrap() });
                tasks.spawn(serve_mail(mail, inbox));
                tasks
            },
        }
    }

    pub(crate) fn arrived(&self) -> Vec<Arrival> {
        self.inbox.0.lock().unwrap().clone()
    }

    /// Messages at paths that begin with `path`.
    pub(crate) fn at(&self, path: &str) -> Vec<Arrival> {
        let mut all = self.arrived();
        all.retain(|arrival| arrival.path.starts_with(path));
        all
    }
}

/// The responses of Slack and Telegram; the other channels check only the status.
async fn post(State(inbox): State<Inbox>, uri: Uri, headers: HeaderMap, body: String) -> String {
    let authorization = headers.get(header::AUTHORIZATION);
    inbox.0.lock().unwrap().push(Arrival {
        path: uri.to_string(),
        authorization: authorization.map_or_else(String::new, |a| a.to_str().unwrap().to_owned()),
        body,
    });
    match uri.path() {
        "/slack" => "ok",
        _ => r#"{"ok":true,"result":{"message_id":1,"date":0,"chat":{"id":1,"type":"private"}}}"#,
    }
    .to_owned()
}

async fn serve_mail(listener: TcpListener, inbox: Inbox) {
    let mut sessions = JoinSet::new();
    loop {
        let (stream, _peer) = listener.accept().await.unwrap();
        sessions.spawn(session(stream, inbox.clone()));
    }
}

/// The part of SMTP that one message needs.
async fn session(mut stream: TcpStream, inbox: Inbox) {
    let (read, mut write) = stream.split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 sink\r\n").await.unwrap();
    let mut message: Option<String> = None;
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some(text) = &mut message {
            if line == "." {
                let body = message.take().unwrap();
                inbox.0.lock().unwrap().push(Arrival {
                    path: "/mail".to_owned(),
                    authorization: String::new(),
                    body,
                });
                write.write_all(b"250 taken\r\n").await.unwrap();
            } else {
                text.push_str(line.strip_prefix('.').unwrap_or(&line));
                text.push('\n');
            }
            continue;
        }
        let answer: &[u8] = match line.get(..4) {
            Some("DATA") => {
                message = Some(String::new());
                b"354 go on\r\n"
            }
            Some("QUIT") => b"221 bye\r\n",
            _ => b"250 ok\r\n",
        };
        if write.write_all(answer).await.is_err() {
            return;
        }
    }
}
