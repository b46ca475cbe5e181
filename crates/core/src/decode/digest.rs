//! The hash that tells a redelivery from a different record. Part of the database format: never
//! change.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use super::record::FlatTokens;
use crate::model::{Event, EventDigest};

/// Hashes the sanitized identity and content, so a replayed reject has the digest of its original.
/// `execution_id` is empty before v8.
pub(super) fn compute(
    event: &Event<'_>,
    flat: &FlatTokens,
    status: u16,
    execution_id: &str,
) -> EventDigest {
    let mut hasher = SipHasher13::new_with_keys(0x6370_615f_6578_706f, 0x7274_6572_5f76_3031);
    // v8 gives each attempt an id; before, these four fields were unique in every capture.
    if execution_id.is_empty() {
        text(&mut hasher, &event.request_id);
        text(&mut hasher, &event.auth_index);
    } else {
        text(&mut hasher, execution_id);
    }
    text(&mut hasher, &event.model);
    hasher.write_i64(event.timestamp.get());
    for part in [
        &event.provider,
        &event.executor,
        &event.alias,
        &event.endpoint,
        &event.reasoning_effort,
        &event.service_tier,
        &event.response_service_tier,
    ] {
        text(&mut hasher, part);
    }
    for number in [
        event.latency_ms,
        event.ttft_ms,
        flat.input_tokens,
        flat.output_tokens,
        flat.reasoning_tokens,
        flat.cached_tokens,
        flat.cache_read_tokens.unwrap_or_default(),
        flat.cache_creation_tokens,
        flat.total_tokens,
        u64::from(event.failure.is_some()),
        u64::from(status),
        u64::from(event.generate),
        event.auth_type as u64,
    ] {
        hasher.write_u64(number);
    }
    EventDigest(hasher.finish().cast_signed())
}

fn text(hasher: &mut SipHasher13, text: &str) {
    hasher.write_u64(text.len() as u64);
    hasher.write(text.as_bytes());
}
