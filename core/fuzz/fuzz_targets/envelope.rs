//! Any bytes at all against the one door into the protocol. Bytes are refused by name or accepted; they never panic, and what is
//! accepted has exactly one spelling.
#![no_main]

use libfuzzer_sys::fuzz_target;
use swarm_core::wire::Envelope;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(envelope) = Envelope::verify(bytes) {
        assert_eq!(&envelope.bytes()[..], bytes, "an accepted envelope re-encodes to the bytes it came in");
    }
});
