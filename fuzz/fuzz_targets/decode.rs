//! No payload may make the decoder panic, and every event's kinds add up.

#![no_main]

use cpa_exporter::decode::{Decoded, Decoder, HashKey, split_array};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|payload: &[u8]| {
    let decoder = Decoder::new(HashKey([7; 16]));
    match decoder.decode(payload) {
        Decoded::Event(event) => {
            let sum: u64 = event.tokens.by_kind().iter().sum();
            assert_eq!(event.tokens.total(), sum);
        }
        Decoded::Reject(reject) => {
            // What is kept of a reject must be fit for a replay.
            let _again = decoder.decode(&reject.payload);
        }
        Decoded::Control(_) => {}
    }
    let _elements = split_array(payload);
});
