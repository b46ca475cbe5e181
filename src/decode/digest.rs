//! The hash that tells a re-delivery from another record. A database format: never change it.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use super::record::Record;
use crate::model::{EventDigest, UnixNanos};

/// Over identity and content. Leaves out whatever is secret or masked on the way, so that a
/// replayed reject has the digest of its original.
pub(super) fn of(record: &Record<'_>, timestamp: UnixNanos) -> EventDigest {
    let mut hasher = SipHasher13::new_with_keys(0x6370_615f_6578_706f, 0x7274_6572_5f76_3031);
    // v8 gives each attempt an id; before, these four together were unique in every capture.
    if record.execution_id.is_empty() {
        text(&mut hasher, &record.request_id);
        text(&mut hasher, &record.auth_index);
    } else {
        text(&mut hasher, &record.execution_id);
    }
    text(&mut hasher, &record.model);
    hasher.write_i64(timestamp.get());
    for part in [
        &record.provider,
        &record.executor_type,
        &record.alias,
        &record.endpoint,
        &record.auth_type,
        &record.reasoning_effort,
        &record.service_tier,
        &record.response_service_tier,
    ] {
        text(&mut hasher, part);
    }
    let flat = &record.tokens;
    for number in [
        record.latency_ms,
        record.ttft_ms,
        flat.input_tokens,
        flat.output_tokens,
        flat.reasoning_tokens,
        flat.cached_tokens,
        flat.cache_read_tokens.unwrap_or_default(),
        flat.cache_creation_tokens,
        flat.total_tokens,
        u64::from(record.failed),
        u64::from(record.fail.status_code),
        u64::from(record.generate),
    ] {
        hasher.write_u64(number);
    }
    EventDigest(hasher.finish().cast_signed())
}

fn text(hasher: &mut SipHasher13, text: &str) {
    hasher.write_u64(text.len() as u64);
    hasher.write(text.as_bytes());
}
