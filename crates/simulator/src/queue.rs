//! CPA's usage queue: a FIFO for poppers, or a broadcast while there is a subscriber.
//!
//! Pure, apart from the channels to subscribers. Expiry is lazy, at enqueue and at pop, by the time
//! of enqueueing. A subscriber with a full buffer is dropped, and the message for it is lost.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::faults::Faults;
use super::generator::Mark;
use super::totals::Oracle;
use cpa_exporter_core::model::UnixNanos;

/// Buffer size of a subscriber in messages.
const BUFFER: usize = 256;

const SUPPORT_REFRESH: &[u8] = b"{\"support_refresh\":true}";
const REFRESH: &[u8] = b"{\"refresh\":true}";
const GARBAGE: &[u8] = b"\x00\xff{not a record]";

/// Whether a message to subscribers of `usage` is a control message.
pub(crate) fn is_control(message: &[u8]) -> bool {
    [SUPPORT_REFRESH, REFRESH].contains(&message)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channel {
    Usage,
    Errors,
}

#[derive(Debug)]
struct Item {
    payload: Bytes,
    queued: UnixNanos,
    mark: Option<Mark>,
}

#[derive(Debug)]
struct Subscriber {
    id: u64,
    channel: Channel,
    sender: mpsc::Sender<Bytes>,
}

#[derive(Debug)]
pub(crate) struct Queue {
    items: VecDeque<Item>,
    subscribers: Vec<Subscriber>,
    next_id: u64,
    pub(crate) retention: Duration,
    pub(crate) oracle: Oracle,
    /// Percent points that the competing popper has yet to pop.
    competing_debt: u32,
}

impl Queue {
    pub(crate) fn new(retention: Duration, oracle: Oracle) -> Self {
        Self {
            items: VecDeque::new(),
            subscribers: Vec::new(),
            next_id: 0,
            retention,
            oracle,
            competing_debt: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// Publishes a record, like CPA's dispatcher.
    pub(crate) fn publish(
        &mut self,
        payload: Bytes,
        mark: Option<Mark>,
        now: UnixNanos,
        faults: &Faults,
    ) {
        if let Some(mark) = &mark {
            self.oracle.produced(mark);
        }
        self.oracle.sums.produced.add(payload.len());
        if faults.take(|state| &mut state.garbage_records) {
            self.oracle.sums.damaged += 1;
            self.route(Bytes::from_static(GARBAGE), None, now, faults);
        }
        if faults.take(|state| &mut state.truncate_records) {
            self.oracle.sums.damaged += 1;
            let half = payload.slice(..payload.len() / 2);
            self.route(half, None, now, faults);
        } else {
            self.route(payload, mark, now, faults);
        }
    }

    /// Pops up to `count` of the oldest records; all poppers share one order.
    pub(crate) fn pop(&mut self, count: usize, now: UnixNanos) -> Vec<Bytes> {
        self.prune(now);
        let taken = self.items.drain(..count.min(self.items.len()));
        let mut payloads = Vec::with_capacity(taken.len());
        for item in taken {
            self.oracle.sums.popped.add(item.payload.len());
            if let Some(mark) = &item.mark {
                self.oracle.handed_out(mark);
            }
            payloads.push(item.payload);
        }
        payloads
    }

    /// A new subscriber of `usage` first gets a control message.
    pub(crate) fn subscribe(&mut self, channel: Channel) -> (u64, mpsc::Receiver<Bytes>) {
        let (sender, receiver) = mpsc::channel(BUFFER);
        if channel == Channel::Usage {
            // An empty channel has room for its first message.
            sender.try_send(Bytes::from_static(SUPPORT_REFRESH)).ok();
        }
        self.next_id += 1;
        self.subscribers.push(Subscriber {
            id: self.next_id,
            channel,
            sender,
        });
        (self.next_id, receiver)
    }

    pub(crate) fn unsubscribe(&mut self, id: u64) {
        self.subscribers.retain(|subscriber| subscriber.id != id);
    }

    pub(crate) fn subscribers(&self, channel: Channel) -> usize {
        let of_channel = self.subscribers.iter().filter(|s| s.channel == channel);
        of_channel.count()
    }

    /// Sends the control message for a change of accounts or configuration; never queued.
    pub(crate) fn refresh(&mut self) {
        self.offer(Channel::Usage, &Bytes::from_static(REFRESH));
    }

    /// Sends an event on the `errors` channel, which has no queue.
    pub(crate) fn publish_error(&mut self, event: &Bytes) {
        self.offer(Channel::Errors, event);
    }

    pub(crate) fn expire_all(&mut self) {
        self.oracle.sums.expired += self.items.len() as u64;
        self.items.clear();
    }

    /// Drops queue and subscribers, as in a restart or when management is disabled.
    pub(crate) fn lose_all(&mut self) {
        self.oracle.sums.lost_in_restart += self.items.len() as u64;
        self.items.clear();
        self.subscribers.clear();
    }

    fn route(&mut self, payload: Bytes, mark: Option<Mark>, now: UnixNanos, faults: &Faults) {
        let rival = faults.get(|state| state.competing_subscriber);
        if rival || self.subscribers(Channel::Usage) > 0 {
            let reached = self.offer(Channel::Usage, &payload);
            if reached > 0 {
                self.count_published(payload.len(), reached, mark.as_ref());
            } else if rival {
                self.oracle.sums.taken_by_competitor += 1;
            } else {
                self.oracle.sums.cut += 1;
            }
            return;
        }
        self.prune(now);
        self.competing_debt += faults.get(|state| state.competing_popper).min(100);
        if self.competing_debt >= 100 {
            self.competing_debt -= 100;
            self.oracle.sums.taken_by_competitor += 1;
            return;
        }
        self.items.push_back(Item {
            payload,
            queued: now,
            mark,
        });
    }

    fn count_published(&mut self, bytes: usize, reached: usize, mark: Option<&Mark>) {
        for _ in 0..reached {
            self.oracle.sums.published.add(bytes);
        }
        if let Some(mark) = mark {
            self.oracle.handed_out(mark);
        }
    }

    /// Sends to all subscribers of a channel and drops those that are full or closed.
    fn offer(&mut self, channel: Channel, payload: &Bytes) -> usize {
        let mut reached = 0;
        self.subscribers.retain(|subscriber| {
            if subscriber.channel != channel {
                return true;
            }
            let fits = subscriber.sender.try_send(payload.clone()).is_ok();
            reached += usize::from(fits);
            fits
        });
        reached
    }

    fn prune(&mut self, now: UnixNanos) {
        while let Some(oldest) = self.items.front() {
            if now.since(oldest.queued) < self.retention {
                return;
            }
            self.items.pop_front();
            self.oracle.sums.expired += 1;
        }
    }
}
