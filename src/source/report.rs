//! Log lines about missing records.

use std::time::Duration;

use super::completeness::{Finding, Judgement, Ratio};

/// Records per counted request, rounded for the log.
fn share(ratio: Ratio) -> f64 {
    (ratio.share() * 100.0).round() / 100.0
}

pub(super) fn log_finding(finding: Finding) {
    match finding {
        Finding::Hint(ratio) => tracing::info!(
            requests = ratio.counted,
            records = ratio.arrived,
            "CPA counts more requests than records arrive; finding out why"
        ),
        Finding::Theft {
            popping,
            subscribed,
        } => tracing::warn!(
            popping = share(popping),
            subscribed = subscribed.map(share),
            "another client takes records from CPA's queue: fewer records arrive by popping than by \
             subscribing, as shares of the requests that CPA counts; stop that client, or use the mode \
             `auto` or `subscribe`"
        ),
        Finding::NoTheft {
            popping,
            subscribed,
        } => tracing::info!(
            popping = share(popping),
            subscribed = share(subscribed),
            "no other client takes records: CPA counts requests of which it makes no record, such as \
             token counting and streams without usage; shares of the requests that CPA counts"
        ),
        Finding::Over => tracing::info!("all records arrive"),
        Finding::Undecided => tracing::info!(
            "too few requests to find out why CPA counts more requests than records arrive"
        ),
        Finding::StillTheft(_) => {}
    }
}

pub(super) fn log_judgement(judgement: Judgement, retention: Duration) {
    match judgement {
        Judgement::Harmless => {}
        Judgement::Restarted { silence } => tracing::info!(
            silence = silence.as_secs(),
            "CPA was restarted: records of its last moments that stood in its queue may be missing, at \
             most those of one pause between two pops"
        ),
        Judgement::Gap {
            length,
            silence,
            cause,
        } => tracing::warn!(
            cause,
            seconds = length.as_secs(),
            silence = silence.as_secs(),
            retention = retention.as_secs(),
            "records may be missing; raise `redis-usage-queue-retention-seconds` in CPA (up to 3600) to \
             bridge longer interruptions"
        ),
    }
}

pub(super) fn log_statistics_on(length: Duration) {
    tracing::warn!(
        seconds = length.as_secs(),
        "CPA's usage statistics are on again: the requests of the time without them are missing"
    );
}
