//! Stops of a subscriber in the middle of a stream.

use cpa_exporter::simulator::Totals;
use tempfile::tempdir;

use crate::harness::{Exporter, count, eventually, simulator};

const STOPS: u64 = 50;
const PER_SECOND: u32 = 500;

/// All records that CPA sent before it confirmed the end are stored, and the next run pops those
/// that it queued from then on. Only those in CPA's own buffer are lost.
#[tokio::test(flavor = "multi_thread")]
async fn fifty_stops_in_a_stream_lose_no_sent_record() {
    let simulator = simulator(|config| config.traffic.rate = Some(f64::from(PER_SECOND))).await;
    let dir = tempdir().unwrap();
    let mut streamed = 0;
    for stop in 1..=STOPS {
        // Before the start, because records may arrive before it returns.
        let begun = simulator.totals().written.records;
        let exporter = Exporter::start(&simulator, dir.path(), &["--cpa.mode", "subscribe"]).await;
        // Stops meet the stream at different points, some right after its first records.
        let more = stop * 7 % 100;
        eventually("records over the subscription", async || {
            (simulator.totals().written.records > begun + more).then_some(())
        })
        .await;
        let (status, log) = exporter.terminate().await;
        assert_eq!(status.code(), Some(0), "{log}");
        assert!(!log.contains("did not confirm"), "{log}");
        let totals = simulator.totals();
        let taken = totals.written.records + totals.popped.records;
        let stored = count(dir.path(), "SELECT count(*) FROM event");
        assert_eq!(
            stored.cast_unsigned(),
            taken,
            "stop {stop}: {totals:?}\n{log}"
        );
        streamed += totals.written.records - begun;
    }
    let totals = simulator.totals();
    assert_eq!(
        totals.written.records, streamed,
        "each was streamed to a run"
    );
    // Only the buffers' content can be missing. CPA drops it after the confirmation.
    eventually("every subscriber gone", async || {
        let totals = simulator.totals();
        let accounted = totals.written.records + totals.left_behind;
        (totals.published.records == accounted).then_some(())
    })
    .await;
    let totals = simulator.totals();
    let Totals {
        popped, published, ..
    } = totals;
    let all = popped.records + published.records + totals.queued + totals.cut;
    assert_eq!(totals.produced.records, all, "{totals:?}");
}
