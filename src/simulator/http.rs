//! The HTTP side of the port.

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::BytesMut;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

mod answer;
mod control;

use self::answer::{Answer, Body};
use super::core::Core;
use super::rewind::Rewind;

pub(crate) async fn serve<S>(
    stream: S,
    first: BytesMut,
    peer: IpAddr,
    core: Arc<Core>,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let io = TokioIo::new(Rewind::new(first, stream));
    let service = service_fn(move |request| {
        let core = Arc::clone(&core);
        async move { Ok::<_, Infallible>(respond(request, peer, &core).await) }
    });
    hyper::server::conn::http1::Builder::new()
        // Go writes `X-Cpa-Version`, hyper's default would be all small.
        .title_case_headers(true)
        .serve_connection(io, service)
        .await
        .map_err(io::Error::other)
}

async fn respond(request: Request<Incoming>, _peer: IpAddr, core: &Core) -> Response<Body> {
    core.faults.stalled().await;
    let path = request.uri().path().to_owned();
    let answer = match path.as_str() {
        "/simulator/totals" => control::totals(core),
        _ => Answer::empty(404),
    };
    answer.into_response()
}
