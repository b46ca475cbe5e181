//! A stream that ends when its peer reads too slowly.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::listener::Socket;

/// Minimum speed at which a peer must read a response, in bytes per second, after the grace period.
const MIN_BYTES_PER_SECOND: u64 = 64 * 1024;

/// Fails with [`io::ErrorKind::TimedOut`] when the peer takes longer for a response than the grace
/// period plus the time that the response needs at [`MIN_BYTES_PER_SECOND`].
#[derive(Debug)]
pub(super) struct TimedStream {
    stream: Box<dyn Socket>,
    grace: Duration,
    /// `None` while nothing waits to be written.
    blocked: Option<Blocked>,
}

/// A response that the peer has not taken at once.
#[derive(Debug)]
struct Blocked {
    since: Instant,
    written: u64,
    timer: Pin<Box<Sleep>>,
}

impl TimedStream {
    pub(super) fn new(stream: Box<dyn Socket>, grace: Duration) -> Self {
        Self {
            stream,
            grace,
            blocked: None,
        }
    }

    /// Applies the time limit to the outcome of a write.
    fn limit(
        &mut self,
        cx: &mut Context<'_>,
        outcome: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match &outcome {
            Poll::Ready(Ok(length)) => {
                if let Some(blocked) = &mut self.blocked {
                    blocked.written += *length as u64;
                }
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                let blocked = self.blocked.get_or_insert_with(|| {
                    let since = Instant::now();
                    Blocked {
                        since,
                        written: 0,
                        timer: Box::pin(sleep_until(since + self.grace)),
                    }
                });
                let earned = Duration::from_secs(blocked.written / MIN_BYTES_PER_SECOND);
                let deadline = blocked.since + self.grace + earned;
                if blocked.timer.deadline() != deadline {
                    blocked.timer.as_mut().reset(deadline);
                }
                ready!(blocked.timer.as_mut().poll(cx));
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        outcome
    }
}

impl AsyncRead for TimedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for TimedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.limit(cx, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.limit(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper flushes once it has no bytes left to write, so the response is complete.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.blocked = None;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
