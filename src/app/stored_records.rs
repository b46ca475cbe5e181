//! Readers of the database behind the API.
//!
//! Each question has its own connection, off the async runtime. A question ends with its client.

use std::hash::BuildHasher as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{StreamExt as _, stream};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use crate::api::{Event, EventPage, NamedCount, ValueList};
use crate::clock::Clock;
use crate::config::Aliases;
use crate::errors::Chain;
use crate::http::{
    Answer, ApiFailure, ExportFormat, Pairs, Resource, ResponseParts, StoredRecords,
};
use crate::query::{self, Cursor, Group, Names, Parameters, QueryError};
use crate::report::events as text;
use crate::store::{InterruptHandle, Reader, StoreError};

/// Questions that are answered at once; others wait.
const READERS: usize = 4;
/// Exports at once; more are refused.
const EXPORTS: usize = 2;
const WAIT: Duration = Duration::from_secs(10);
/// Longest time of a question.
const LIMIT: Duration = Duration::from_mins(1);
/// Pages of an export that wait for the client.
const BUFFERED: usize = 2;

#[derive(Debug)]
pub(super) struct Database {
    directory: PathBuf,
    aliases: Aliases,
    clock: Clock,
    readers: Arc<Semaphore>,
    exports: Arc<Semaphore>,
}

/// Ends the query of a client that is gone.
struct EndOnDrop(InterruptHandle);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.interrupt();
    }
}

impl Database {
    pub(super) fn new(directory: PathBuf, aliases: Aliases, clock: Clock) -> Self {
        Self {
            directory,
            aliases,
            clock,
            readers: Arc::new(Semaphore::new(READERS)),
            exports: Arc::new(Semaphore::new(EXPORTS)),
        }
    }

    /// Runs `ask` with a connection, within the limits.
    fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Reader, &Names) -> Result<T, QueryError> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, ApiFailure>> {
        let (directory, aliases) = (self.directory.clone(), self.aliases.clone());
        let readers = Arc::clone(&self.readers);
        Box::pin(async move {
            let busy = || ApiFailure::Unavailable("too many questions at once".to_owned());
            let permit = timeout(WAIT, readers.acquire_owned()).await;
            let permit: OwnedSemaphorePermit = match permit {
                Ok(Ok(permit)) => permit,
                Ok(Err(_)) | Err(_) => return Err(busy()),
            };
            let reader = blocking(move || Ok(Reader::open(&directory)?)).await?;
            let end = EndOnDrop(reader.interrupt_handle());
            let work = blocking(move || {
                let _permit = permit;
                let names = Names::load(&reader, &aliases)?;
                ask(&reader, &names)
            });
            let answer = timeout(LIMIT, work).await;
            drop(end);
            answer.unwrap_or_else(|_elapsed| {
                let text = "the question takes too long; choose a shorter range";
                Err(ApiFailure::Unavailable(text.to_owned()))
            })
        })
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, QueryError> + Send + 'static,
) -> Result<T, ApiFailure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(answer) => answer.map_err(failure),
        Err(error) => Err(ApiFailure::Failed(error.to_string())),
    }
}

fn failure(error: QueryError) -> ApiFailure {
    if error.is_refusal() {
        return ApiFailure::Invalid(error.to_string());
    }
    if let QueryError::Store(error @ StoreError::Absent(_)) = error {
        return ApiFailure::Unavailable(error.to_string());
    }
    tracing::warn!(error = %Chain(&error), "cannot answer from the database");
    ApiFailure::Failed(Chain(&error).to_string())
}

impl StoredRecords for Database {
    fn answer(
        &self,
        resource: Resource,
        pairs: Pairs,
    ) -> BoxFuture<'static, Result<Answer, ApiFailure>> {
        let parameters = Parameters::new(pairs, self.clock.now());
        let answer = self.ask(move |reader, names| answer(reader, names, &resource, parameters));
        Box::pin(async move {
            let none = || ApiFailure::NotFound("no such record".to_owned());
            answer.await?.ok_or_else(none)
        })
    }

    fn export(
        &self,
        format: ExportFormat,
        pairs: Pairs,
    ) -> BoxFuture<'static, Result<ResponseParts, ApiFailure>> {
        let mut parameters = Parameters::new(pairs, self.clock.now());
        let question = parameters
            .export()
            .and_then(|question| Ok(parameters.finish().map(|()| question)?));
        let permit = Arc::clone(&self.exports).try_acquire_owned();
        let (directory, aliases) = (self.directory.clone(), self.aliases.clone());
        Box::pin(async move {
            let (mut question, zone) = question.map_err(failure)?;
            let permit = permit.map_err(|_none| {
                ApiFailure::Unavailable(format!("{EXPORTS} exports are running"))
            })?;
            let (sender, receiver) = mpsc::channel(BUFFERED);
            let (opened, is_open) = oneshot::channel();
            tokio::task::spawn_blocking(move || {
                let _permit = permit;
                let open = || {
                    let reader = Reader::open(&directory)?;
                    let names = Names::load(&reader, &aliases)?;
                    // A wrong filter is an error of the request.
                    let first = query::events(&reader, &names, &question)?;
                    Ok((reader, names, first))
                };
                let (reader, names, first) = match open() {
                    Ok(all) => all,
                    Err(error) => return drop(opened.send(Err(failure(error)))),
                };
                if opened.send(Ok(())).is_err() {
                    return;
                }
                let row = |event: &_| match format {
                    ExportFormat::Csv => Ok(text::csv_row(event, &zone)),
                    ExportFormat::JsonLines => text::json_line(event),
                };
                let next = |cursor| {
                    question.cursor = Some(cursor);
                    query::events(&reader, &names, &question)
                };
                if let Err(error) = export(first, next, format, row, &sender) {
                    tracing::warn!(error = %Chain(&error), "export ended early");
                }
            });
            match is_open.await {
                Ok(opened) => opened?,
                Err(error) => return Err(ApiFailure::Failed(error.to_string())),
            }
            let pages = stream::unfold(receiver, async |mut pages| {
                let page: Bytes = pages.recv().await?;
                Some((page, pages))
            });
            Ok(pages.boxed())
        })
    }
}

/// Answers in JSON; `None` if the thing does not exist.
fn answer(
    reader: &Reader,
    names: &Names,
    resource: &Resource,
    mut parameters: Parameters,
) -> Result<Option<Answer>, QueryError> {
    let asked = &mut parameters;
    match resource {
        Resource::Breakdown => {
            let question = asked.breakdown()?;
            parameters.finish()?;
            json(&query::breakdown(reader, names, &question)?)
        }
        Resource::Summary => {
            let question = asked.summary()?;
            parameters.finish()?;
            json(&query::summary(reader, names, &question)?)
        }
        Resource::Series => {
            let question = asked.series()?;
            parameters.finish()?;
            json(&query::series(reader, names, &question)?)
        }
        Resource::Events => {
            let question = asked.events()?;
            parameters.finish()?;
            json(&query::events(reader, names, &question)?)
        }
        Resource::Event(id) => {
            parameters.finish()?;
            let Ok(id) = id.parse::<Cursor>() else {
                return Ok(None);
            };
            let event = query::event_of(reader, names, id)?;
            event.map_or(Ok(None), |event| json(&event))
        }
        Resource::Values(group) => {
            let Ok(group) = group.parse::<Group>() else {
                return Ok(None);
            };
            let question = asked.values(group)?;
            parameters.finish()?;
            let found = query::breakdown(reader, names, &question)?;
            let values = found.rows.into_iter().map(|row| NamedCount {
                name: row.group.into_values().next().unwrap_or_default(),
                requests: row.usage.requests,
            });
            let mut values: Vec<NamedCount> = values.collect();
            values.sort_by_key(|value| std::cmp::Reverse(value.requests));
            json(&ValueList {
                group: group.as_str().to_owned(),
                values,
            })
        }
    }
}

/// The tag leaves out the bounds of ranges that follow the clock.
fn json(answer: &impl Serialize) -> Result<Option<Answer>, QueryError> {
    let value = serde_json::to_value(answer).map_err(std::io::Error::from)?;
    let json = value.to_string().into_bytes();
    let mut value = value;
    without_bounds(&mut value);
    let tag = foldhash::fast::FixedState::default().hash_one(value.to_string());
    Ok(Some(Answer { json, tag }))
}

fn without_bounds(value: &mut Value) {
    let Value::Object(fields) = value else { return };
    for field in ["from", "to", "requests_per_minute", "tokens_per_minute"] {
        fields.remove(field);
    }
    for part in ["current", "before"] {
        fields.get_mut(part).map(without_bounds);
    }
}

/// Sends page after page, until the client is gone.
fn export(
    mut page: EventPage,
    mut next: impl FnMut(Cursor) -> Result<EventPage, QueryError>,
    format: ExportFormat,
    row: impl Fn(&Event) -> Result<String, serde_json::Error>,
    pages: &mpsc::Sender<Bytes>,
) -> Result<(), QueryError> {
    let mut text = match format {
        ExportFormat::Csv => text::csv_head(),
        ExportFormat::JsonLines => String::new(),
    };
    loop {
        for event in &page.events {
            text.push_str(&row(event).map_err(std::io::Error::from)?);
        }
        let sent = pages.blocking_send(std::mem::take(&mut text).into());
        let cursor = page.cursor.and_then(|cursor| cursor.parse().ok());
        let Some(cursor) = cursor.filter(|_| sent.is_ok()) else {
            return Ok(());
        };
        page = next(cursor)?;
    }
}
