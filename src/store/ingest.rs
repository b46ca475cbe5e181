//! The one transaction that takes events, rejects, totals and the spool position.

use std::fmt;

use rusqlite::{CachedStatement, Connection, params};

use super::columns::{Excerpt, request_id};
use super::dimensions::{Interner, NewName};
use super::flags::{EventFlags, Origin};
use super::rejects::{NewReject, RejectCounts};
use super::state::State;
use super::{SpoolMark, Store, StoreError, outbox, rejects, totals};
use crate::errors::Chain;
use crate::model::{
    DimId, Dimension, Event, Masked, Money, RejectReason, Route, TotalRow, UnixNanos,
};

/// What a commit made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Its number; goes on over restarts.
    pub number: u64,
    /// Rejects of CPA that were deleted because of the limits.
    pub dropped_rejects: u64,
}

const INSERT_EVENT: &str = "INSERT OR IGNORE INTO event (\
    ts, digest, provider, executor, model, alias, endpoint, account, source, client, \
    service_tier, response_tier, reasoning_effort, flags, latency_ms, ttft_ms, input, cache_read, \
    cache_write, output, reasoning, unclassified, request_id, status, reason, excerpt, \
    value_nano, cost_nano, price_version, cache_write_1h) VALUES (\
    ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, \
    ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30)";

/// An open transaction. Dropped without [`Ingest::commit`], it leaves no trace.
pub struct Ingest<'s> {
    pub(super) conn: &'s Connection,
    insert: CachedStatement<'s>,
    pub(super) interner: &'s mut Interner,
    state: &'s mut State,
    added: u64,
    rejects: &'s mut RejectCounts,
    /// With those of this transaction.
    next_rejects: RejectCounts,
    open: bool,
}

impl Store {
    pub fn begin(&mut self) -> Result<Ingest<'_>, StoreError> {
        let Self {
            conn,
            interner,
            state,
            rejects,
            ..
        } = self;
        let conn = &*conn;
        let insert = conn.prepare_cached(INSERT_EVENT)?;
        conn.execute_batch("BEGIN IMMEDIATE")?;
        Ok(Ingest {
            conn,
            insert,
            interner,
            state,
            added: 0,
            next_rejects: *rejects,
            rejects,
            open: true,
        })
    }

    /// Names of all values loaded or interned since the last call.
    pub fn take_new_names(&mut self) -> Vec<NewName> {
        self.interner.take_new_names()
    }
}

impl Ingest<'_> {
    /// The numbers of an event's texts.
    pub fn intern(&mut self, event: &Event<'_>) -> Route {
        intern(self.interner, event)
    }

    /// The number of a name that stands in the configuration.
    pub fn intern_configured(&mut self, dimension: Dimension, name: &str) -> DimId {
        self.interner.intern(dimension, name, "")
    }

    /// Adds an event with its interned texts. False when the very same record is already there.
    pub fn event(
        &mut self,
        event: &Event<'_>,
        route: &Route,
        money: &Money,
    ) -> Result<bool, StoreError> {
        let is_new = self.insert(event, route, money, Origin::Live)?;
        if let Some(failure) = event.failure.as_ref().filter(|_| is_new && event.generate) {
            let status = failure.status.to_string();
            self.interner.intern(Dimension::Status, &status, "");
        }
        Ok(is_new)
    }

    /// The same for an event that was never counted and is not to be.
    pub fn imported_event(
        &mut self,
        event: &Event<'_>,
        route: &Route,
        money: &Money,
    ) -> Result<bool, StoreError> {
        self.insert(event, route, money, Origin::Imported)
    }

    fn insert(
        &mut self,
        event: &Event<'_>,
        route: &Route,
        money: &Money,
        origin: Origin,
    ) -> Result<bool, StoreError> {
        let [
            input,
            cache_read,
            cache_write,
            output,
            reasoning,
            unclassified,
        ] = event.tokens.by_kind();
        let failure = event.failure.as_ref();
        let excerpt = failure.map(|failure| failure.excerpt.as_ref());
        let excerpt = excerpt.filter(|text| !text.is_empty());
        let excerpt = excerpt.map(|text| match self.interner.intern_failure_text(text) {
            Some(id) => Excerpt::Interned(id),
            None => Excerpt::Text(text),
        });
        let changed = self.insert.execute(params![
            event.timestamp.get(),
            event.digest.0,
            route.provider.0,
            route.executor.0,
            route.model.0,
            route.alias.0,
            route.endpoint.0,
            route.account.0,
            route.source.0,
            route.client.0,
            route.service_tier.0,
            route.response_service_tier.0,
            route.reasoning_effort.0,
            EventFlags::new(event, origin).bits(),
            event.latency_ms,
            event.ttft_ms,
            input,
            cache_read,
            cache_write,
            output,
            reasoning,
            unclassified,
            request_id(&event.request_id),
            failure.map(|f| f.status),
            failure.map(|f| f.reason.code()),
            excerpt,
            money.value.map(|value| value.total()),
            money.cost(),
            money.price_version,
            event.tokens.cache_write_1h,
        ])?;
        let is_new = changed > 0;
        if is_new && self.state.forwarding {
            outbox::add(self.conn, event.timestamp.get(), event.digest.0)?;
        }
        self.added += u64::from(is_new);
        Ok(is_new)
    }

    /// Keeps a payload that is no record. The oldest rejects give way beyond a bound, at the commit.
    pub fn reject(
        &mut self,
        received: UnixNanos,
        reason: RejectReason,
        detail: &str,
        payload: &[u8],
    ) -> Result<(), StoreError> {
        let reject = NewReject {
            received,
            reason,
            detail,
            payload,
        };
        self.keep(&reject, Origin::Live)
    }

    /// The same for a payload that was imported: what becomes of it later is history as well.
    pub fn imported_reject(
        &mut self,
        received: UnixNanos,
        reason: RejectReason,
        detail: &str,
        payload: &[u8],
    ) -> Result<(), StoreError> {
        let reject = NewReject {
            received,
            reason,
            detail,
            payload,
        };
        self.keep(&reject, Origin::Imported)
    }

    fn keep(&mut self, reject: &NewReject<'_>, origin: Origin) -> Result<(), StoreError> {
        rejects::insert(self.conn, reject, origin)?;
        self.next_rejects.add(origin, reject.payload.len());
        Ok(())
    }

    pub fn has_new_names(&self) -> bool {
        self.interner.has_new_names()
    }

    /// Names interned since the last call.
    pub fn take_new_names(&mut self) -> Vec<NewName> {
        self.interner.take_new_names()
    }

    /// Makes everything durable together with the totals and the position behind it.
    pub fn commit(
        mut self,
        totals: impl Iterator<Item = TotalRow>,
        mark: SpoolMark,
    ) -> Result<Committed, StoreError> {
        let dropped_rejects = self.next_rejects.prune(self.conn)?;
        self.interner.save(self.conn)?;
        totals::save(self.conn, self.state.epoch, totals)?;
        let next = State {
            epoch: self.state.epoch,
            commits: self.state.commits + 1,
            events: self.state.events + self.added,
            mark,
            forwarding: self.state.forwarding,
        };
        next.save(self.conn)?;
        self.conn.execute_batch("COMMIT")?;
        self.open = false;
        self.interner.saved();
        *self.state = next;
        *self.rejects = self.next_rejects;
        Ok(Committed {
            number: next.commits,
            dropped_rejects,
        })
    }
}

impl fmt::Debug for Ingest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ingest")
            .field("added", &self.added)
            .finish_non_exhaustive()
    }
}

impl Drop for Ingest<'_> {
    fn drop(&mut self) {
        // SQLite may have rolled back by itself, after a full disk for example.
        if self.open
            && !self.conn.is_autocommit()
            && let Err(error) = self.conn.execute_batch("ROLLBACK")
        {
            tracing::warn!(error = %Chain(&error), "rollback failed");
        }
    }
}

fn intern(interner: &mut Interner, event: &Event<'_>) -> Route {
    let provider = event.provider.as_ref();
    let mut id = |dimension, value: &str| interner.intern(dimension, value, provider);
    let stored = |masked: Option<&Masked>| masked.map(Masked::to_string).unwrap_or_default();
    Route {
        provider: id(Dimension::Provider, provider),
        executor: id(Dimension::Executor, &event.executor),
        model: id(Dimension::Model, &event.model),
        alias: id(Dimension::Alias, &event.alias),
        endpoint: id(Dimension::Endpoint, &event.endpoint),
        account: id(Dimension::Account, &event.auth_index),
        client: id(Dimension::Client, &stored(event.client.as_ref())),
        service_tier: id(Dimension::ServiceTier, &event.service_tier),
        response_service_tier: id(Dimension::ServiceTier, &event.response_service_tier),
        reasoning_effort: id(Dimension::ReasoningEffort, &event.reasoning_effort),
        source: id(Dimension::Source, &stored(event.source.as_ref())),
    }
}
