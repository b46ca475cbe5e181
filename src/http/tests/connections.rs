//! Connections: their number, their readers, their address.

use std::{io, sync::Arc, time::Duration};

use axum::{Router, body::Bytes, routing::get};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::super::super::server::{Limits, bind, serve_within};
use super::super::*;
use super::parts;
use crate::config::{Env, Flags, load_web};

struct Served {
    address: std::net::SocketAddr,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

async fn served(router: Router, connections: usize) -> Served {
    let reserve = reserve_router();
    let limits = Limits {
        connections,
        write_grace: Duration::from_millis(200),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let routers = Routers {
        all: router,
        reserve,
    };
    tasks.spawn(serve_within(
        Arc::new(listener.into()),
        routers,
        None,
        limits,
        stop.clone(),
    ));
    Served {
        address,
        stop,
        tasks,
    }
}

async fn request(address: std::net::SocketAddr, path: &str) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    Ok(stream)
}

async fn answer(stream: &mut TcpStream) -> String {
    let mut buffer = vec![0; 4096];
    let length = stream.read(&mut buffer).await.unwrap();
    String::from_utf8(buffer[..length].to_vec()).unwrap()
}

#[tokio::test]
async fn an_open_request_is_answered_before_the_stop() {
    let slow = Router::new().route(
        "/slow",
        get(async || {
            sleep(Duration::from_millis(200)).await;
            "done"
        }),
    );
    let mut served = served(slow, 8).await;
    let mut stream = request(served.address, "/slow").await.unwrap();
    // A stop may refuse a request that has not arrived.
    sleep(Duration::from_millis(50)).await;
    served.stop.cancel();
    assert!(answer(&mut stream).await.ends_with("done"));
    let ended = timeout(Duration::from_secs(2), served.tasks.join_next()).await;
    ended.unwrap().unwrap().unwrap();
    assert!(request(served.address, "/slow").await.is_err());
}

fn reserve_router() -> Router {
    routers(parts("/metrics")).reserve
}

#[tokio::test]
async fn connections_above_the_limit_get_health_only() {
    let served = served(router(parts("/metrics")), 1).await;
    let mut first = request(served.address, "/-/healthy").await.unwrap();
    assert!(answer(&mut first).await.starts_with("HTTP/1.1 200"));
    for (path, status) in [
        ("/-/healthy", "200"),
        ("/-/ready", "503"),
        ("/metrics", "503"),
        ("/api/v1/quota", "503"),
    ] {
        let mut above = request(served.address, path).await.unwrap();
        let mut text = String::new();
        above.read_to_string(&mut text).await.unwrap();
        assert!(
            text.starts_with(&format!("HTTP/1.1 {status}")),
            "{path}: {text}"
        );
        assert!(text.contains("connection: close"), "{path}: {text}");
        assert_eq!(
            text.contains("too many open connections"),
            !path.starts_with("/-/"),
            "{path}: {text}"
        );
    }
    drop(first);
    within_deadline(async || {
        let mut next = request(served.address, "/metrics").await.unwrap();
        answer(&mut next).await.starts_with("HTTP/1.1 200")
    })
    .await;
}

/// Waits until `check` is true.
async fn within_deadline(mut check: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !check().await {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), waiting).await.unwrap();
}

#[tokio::test]
async fn readers_that_read_nothing_lose_their_places() {
    const PAGE: usize = 16 * 1024 * 1024;
    let page = Bytes::from(vec![b'x'; PAGE]);
    let big = Router::new().route("/metrics", get(async move || page.clone()));
    let served = served(big, 4).await;
    let mut silent = Vec::new();
    for _ in 0..4 {
        silent.push(request(served.address, "/metrics").await.unwrap());
    }
    // Health is served meanwhile.
    let mut health = request(served.address, "/-/healthy").await.unwrap();
    assert!(answer(&mut health).await.starts_with("HTTP/1.1 200"));
    within_deadline(async || {
        let mut next = request(served.address, "/metrics").await.unwrap();
        answer(&mut next).await.starts_with("HTTP/1.1 200")
    })
    .await;
    let mut received = Vec::new();
    // A reset when unread bytes are left, else an early end.
    silent[0].read_to_end(&mut received).await.ok();
    assert!(received.len() < PAGE, "{}", received.len());
}

#[tokio::test]
async fn a_reader_that_takes_its_time_gets_the_whole_page() {
    const PAGE: usize = 16 * 1024 * 1024;
    let page = Bytes::from(vec![b'x'; PAGE]);
    let big = Router::new().route("/metrics", get(async move || page.clone()));
    let served = served(big, 4).await;
    let mut reader = request(served.address, "/metrics").await.unwrap();
    let began = std::time::Instant::now();
    let mut buffer = vec![0; 1024 * 1024];
    let mut received = 0;
    while received < PAGE {
        let length = reader.read(&mut buffer).await.unwrap();
        assert_ne!(length, 0, "ended after {received} bytes");
        received += length;
        // In all several times the grace period.
        sleep(Duration::from_millis(40)).await;
    }
    assert!(began.elapsed() > Duration::from_millis(400));
}

#[tokio::test]
async fn an_address_in_use_is_an_error_and_all_interfaces_can_be_bound() {
    let address = |text: &str| {
        let mut flags = Flags::default();
        flags.set("web.listen_address", text);
        load_web(&flags, &Env::default())
            .unwrap()
            .value
            .listen_address
    };
    let held = bind(&address("127.0.0.1:0")).await.unwrap();
    let taken = address(&held.to_string());
    let error = bind(&taken).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    bind(&address(":0")).await.unwrap();
}
