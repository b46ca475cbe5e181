//! A proxy between the exporter and CPA that can hold requests at an exact time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::harness::eventually;

/// Forwards everything. Closed at first; while closed, requests over RESP wait; replies and HTTP
/// pass.
///
/// The exporter requests further records only when the earlier ones are in its spool. So a waiting
/// request means that every reply was received completely and spooled, and the simulator's count of
/// popped records is the count of received ones.
pub(crate) struct Gate {
    addr: SocketAddr,
    shut: watch::Sender<bool>,
    waiting: Arc<AtomicU64>,
    /// Tasks that end with the gate.
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

    /// Closes the gate and waits for a held request.
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
            // A held request of a killed exporter must not pop records later.
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
