//! A door between the exporter and CPA that can be shut at an exact moment.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::harness::eventually;

/// Passes everything on. Shut at first; while shut, requests over RESP wait at the door; replies and HTTP pass.
///
/// The exporter asks for the next records when it has those before in its spool. So a request that
/// waits here tells that every reply has been received in full and spooled, and the simulator's
/// count of what it handed out is the count of what was received.
pub(crate) struct Gate {
    addr: SocketAddr,
    shut: watch::Sender<bool>,
    waiting: Arc<AtomicU64>,
    /// End with the gate.
    _tasks: JoinSet<()>,
}

impl Gate {
    pub(crate) async fn before(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (shut, watched) = watch::channel(true);
        let waiting = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&waiting);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(upstream).await else {
                    continue;
                };
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                connections.spawn(requests(
                    from_client,
                    to_server,
                    watched.clone(),
                    Arc::clone(&count),
                ));
                connections.spawn(replies(from_server, to_client));
            }
        });
        Self {
            addr,
            shut,
            waiting,
            _tasks: tasks,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub(crate) fn open(&self) {
        self.shut.send_replace(false);
    }

    /// Shuts the door and waits for a request in front of it.
    pub(crate) async fn shut(&self) {
        self.shut.send_replace(true);
        let before = self.waiting.load(Ordering::SeqCst);
        eventually("a request at the gate", async || {
            (self.waiting.load(Ordering::SeqCst) > before).then_some(())
        })
        .await;
    }
}

async fn requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut shut: watch::Receiver<bool>,
    waiting: Arc<AtomicU64>,
) {
    let mut buffer = vec![0; 64 * 1024];
    let mut resp = None;
    while let Ok(n @ 1..) = from.read(&mut buffer).await {
        if *resp.get_or_insert(buffer[0] == b'*') && *shut.borrow() {
            waiting.fetch_add(1, Ordering::SeqCst);
            // A killed exporter's request must not take records later.
            let mut one = [0];
            tokio::select! {
                opened = shut.wait_for(|shut| !*shut) => if opened.is_err() { return },
                more = from.peek(&mut one) => if !more.is_ok_and(|n| n > 0) { return },
            }
        }
        if to.write_all(&buffer[..n]).await.is_err() {
            return;
        }
    }
}

async fn replies(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(n @ 1..) = from.read(&mut buffer).await {
        if to.write_all(&buffer[..n]).await.is_err() {
            return;
        }
    }
}
