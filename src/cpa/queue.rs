//! CPA's queue over HTTP.

use bytes::{Buf as _, Bytes};
use reqwest::{Method, Response, StatusCode};

use super::client::{Client, HttpFailure, unreachable};
use super::refusal::Refusal;
use crate::decode::ArraySplitter;

/// Records of a pop, read one by one with bounded memory.
#[derive(Debug)]
pub(crate) struct QueueReply {
    response: Response,
    chunk: Bytes,
    array: ArraySplitter,
}

impl Client {
    /// Pops up to `count` records. Must not be cancelled.
    ///
    /// `None` when this release serves no queue over HTTP.
    pub(crate) async fn pop(&self, count: u64) -> Result<Option<QueueReply>, HttpFailure> {
        let session = self.session().await?;
        let path = format!("{}?count={count}", session.api.queue());
        // Without a total time-out: a slow reply takes as long as it needs.
        let request = self.request(Method::GET, &path, &session.key);
        let response = match self.send(request, &session.key).await {
            // A bare 404: the path is not served.
            Err(HttpFailure::Refused(Refusal::ManagementOff)) => return Ok(None),
            response => session.noted(response)?,
        };
        Ok((response.status() == StatusCode::OK).then(|| QueueReply {
            response,
            chunk: Bytes::new(),
            array: ArraySplitter::default(),
        }))
    }
}

impl QueueReply {
    /// The next record; `None` after the last one. Must not be cancelled.
    pub(crate) async fn record(&mut self) -> Result<Option<Bytes>, HttpFailure> {
        loop {
            let (read, record) = self.array.read(&self.chunk);
            self.chunk.advance(read);
            if let Some(record) = record {
                return Ok(Some(record.into()));
            }
            match self.response.chunk().await.map_err(unreachable)? {
                Some(chunk) => self.chunk = chunk,
                None if self.array.is_complete() => {
                    return Ok(self.array.rest().map(Bytes::from));
                }
                None => return Err(HttpFailure::Incomplete),
            }
        }
    }
}
