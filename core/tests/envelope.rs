//! The envelope against everything that could take its place: an independent canonicaliser, independent content addresses
//! and keys, a golden file, every verb, and every single changed byte.

mod common;

use common::{Bytes, content, key, need_thread};
use ed25519_dalek::SigningKey;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use swarm_core::id::{AgentId, Cid, Digest, Epoch, Fence, Lamport, NeedId, Nonce, Seq, Thread, label};
use swarm_core::lamport::LAMPORT_MAX;
use swarm_core::reject::Reject;
use swarm_core::time::WallTime;
use swarm_core::wire::{
    Body, CapabilityRef, Commit, Content, Count, Decide, Draft, Envelope, Expires, Field, PolicyRef, Telemetry,
    ThreadKind, Verb, trace_of,
};

const GOLDEN: &str = include_str!("golden/envelope.json");

/// RFC 8032, section 7.1, test 1: the secret key of the golden envelope. Public knowledge, never a real key.
fn fixed_key() -> SigningKey {
    let seed: Digest = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60".parse().unwrap();
    SigningKey::from_bytes(&seed.0)
}

/// The one worked envelope: a COMMIT, signed with the key of RFC 8032, section 7.1, test 1. Every address in it is that of
/// a few words.
fn golden() -> Content {
    let requester = AgentId(key(1).verifying_key().to_bytes());
    let thread = Thread::Need(NeedId::of(&requester, Nonce(7)));
    Content {
        body: Body::Commit(Commit {
            outputs: BTreeMap::from([(label("counts/0"), Cid::of(b"the output"))]),
            states: vec![Digest::sha256(b"half way"), Digest::sha256(b"done")],
            task: label("count/0"),
            telemetry: Telemetry { bytes: Count(4_096), steps: Count(1 << 53) },
        }),
        capability: CapabilityRef { manifest: Cid::of(b"the MANIFEST"), name: label("count") },
        epoch: Some(Epoch(1)),
        expires: Some(Expires::Register(Seq(100))),
        fence: Some(Fence(3)),
        lamport: Lamport(42),
        nonce: Nonce(u64::MAX),
        policy: PolicyRef {
            capsule: Cid::of(b"the capsule"),
            digest: Digest::sha256(b"the preflight evaluation"),
            engine: Digest::sha256(b"the engine"),
        },
        refs: vec![Cid::of(b"the input")],
        sender: AgentId(fixed_key().verifying_key().to_bytes()),
        target: Some(requester),
        thread,
        time: WallTime(1_800_000_000_000),
        trace: trace_of(thread, Some(&Cid::of(b"the grant"))),
    }
}

/// `bytes` with `from` replaced, once, by `to`.
fn swap(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = std::str::from_utf8(bytes).unwrap();
    assert!(text.contains(from), "{from} is not in {text}");
    text.replacen(from, to, 1).into_bytes()
}

fn signed(verb: Verb, seed: u8) -> Envelope {
    let key = key(seed);
    Draft::new(content(verb, &mut Bytes::of(&[seed; 700]), &key)).sign(&key)
}

fn refused(bytes: &[u8]) -> Reject {
    Envelope::verify(bytes).expect_err(&format!("accepted: {}", String::from_utf8_lossy(bytes)))
}

#[test]
fn the_golden_envelope_is_rebuilt_byte_for_byte() {
    let envelope = Draft::new(golden()).sign(&fixed_key());
    let text = std::str::from_utf8(envelope.bytes()).unwrap();
    assert_eq!(text, GOLDEN.trim_end(), "write this to tests/golden/envelope.json only if the protocol changed");
    assert_eq!(Envelope::verify(GOLDEN.trim_end().as_bytes()).unwrap(), envelope);
}

#[test]
fn the_golden_envelope_holds_against_independent_crates() {
    let mut value: serde_json::Value = serde_json::from_str(GOLDEN).unwrap();
    assert_eq!(serde_json_canonicalizer::to_vec(&value).unwrap(), GOLDEN.trim_end().as_bytes());

    let fields = value.as_object_mut().unwrap();
    let sig = fields.remove("sig").unwrap();
    let unsigned = serde_json_canonicalizer::to_vec(fields).unwrap();
    let id = fields.remove("id").unwrap();
    let bare = serde_json_canonicalizer::to_vec(fields).unwrap();

    // The id: CIDv1, codec raw (0x55), multihash sha2-256 (0x12), by the reference crates.
    let hash = multihash::Multihash::<64>::wrap(0x12, &Digest::sha256(&bare).0).unwrap();
    assert_eq!(id, cid::Cid::new_v1(0x55, hash).to_string());

    // The key and the signature.
    let key = fixed_key().verifying_key();
    assert_eq!(fields["sender"], "did:key:z6MktwupdmLXVVqTzCw4i46r4uGyosGXRnR3XjN4Zq7oMMsw");
    let sig = data_encoding::BASE64URL_NOPAD.decode(sig.as_str().unwrap().as_bytes()).unwrap();
    key.verify_strict(&unsigned, &ed25519_dalek::Signature::from_slice(&sig).unwrap()).unwrap();
}

/// did:key's own test vector for Ed25519, and the names' one spelling.
#[test]
fn names_have_one_spelling() {
    let did = "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp";
    let agent: AgentId = did.parse().unwrap();
    assert_eq!(agent.to_string(), did);
    assert_eq!(
        Digest(agent.0).to_string(),
        "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29",
        "the key of the all-zero seed"
    );
    let cid = Cid::of(b"");
    assert_eq!(cid.to_string(), "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku");
    assert_eq!(cid.to_string().parse::<Cid>(), Ok(cid));
    for bad in ["", "b", "BAFKREIHDWDCEFGH4DQKJV67UZCMW7OJEE6XEDZDETOJUZJEVTENXQUVYKU"] {
        assert!(bad.parse::<Cid>().is_err(), "{bad}");
    }
    // Stray bits: the two lowest of the last digit are padding ("u" is 10100).
    for last in "bcdfghjklnoprstvwxz23567".chars() {
        let text: String = cid.to_string().chars().take(58).chain([last]).collect();
        assert!(text.parse::<Cid>().is_err(), "{text}");
    }
    for bad in ["did:key:z", "did:key:z11", "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooW0", "did:web:x"] {
        assert!(bad.parse::<AgentId>().is_err(), "{bad}");
    }
}

/// T06: the canonical form has one spelling, and every other one is refused by name.
#[test]
fn t06_other_spellings_are_refused() {
    let envelope = signed(Verb::Heartbeat, 4);
    assert_eq!(envelope.target, None, "the optional fields are left out here");
    let bytes = envelope.bytes();
    let say = |from: &str, to: &str| refused(&swap(bytes, from, to));
    let progress = |to: &str| {
        let text = std::str::from_utf8(bytes).unwrap();
        let at = text.find("\"progress_bp\":").unwrap() + 14;
        let end = at + text[at..].find(',').unwrap();
        refused(format!("{}{to}{}", &text[..at], &text[end..]).as_bytes())
    };
    use Reject::{Malformed, NonCanonical, UnknownVerb, UnknownVersion};

    // Numbers: only integers of 32 bits, in their shortest form.
    for bad in [
        "1.0",
        "1.5",
        "-0",
        "-0.0",
        "-1",
        "1e2",
        "1E2",
        "01",
        "+1",
        "4294967296",
        "18446744073709551616",
        "NaN",
        "null",
    ] {
        assert_eq!(progress(bad), Malformed, "{bad}");
    }
    assert_eq!(progress(&"9".repeat(400)), Malformed);
    assert_eq!(progress("\"1\""), Malformed);
    assert_eq!(progress(" 1"), NonCanonical);
    // Wide integers: decimal strings in their shortest form.
    let lamport = format!("\"lamport\":\"{}\"", envelope.lamport);
    for bad in
        ["\"01\"", "\"+1\"", "\"-1\"", "\"\"", "\"1.0\"", "\"1e3\"", "\"18446744073709551616\"", "1", "\" 1\"", "null"]
    {
        assert_eq!(say(&lamport, &format!("\"lamport\":{bad}")), Malformed, "{bad}");
    }
    // Keys: each once, in order, none unknown, none null.
    assert_eq!(say("\"v\":1", "\"v\":1,\"v\":1"), Malformed);
    assert_eq!(say("\"v\":1", "\"v\":1,\"w\":1"), Malformed);
    assert_eq!(say("\"v\":1,", ""), Malformed);
    assert_eq!(say("{\"progress_bp\"", "{\"progress_bp\":1,\"progress_bp\""), Malformed);
    assert_eq!(say("{\"body\"", "{\"v\":1,\"body\""), Malformed);
    assert_eq!(say("\"refs\":", "\"target\":null,\"refs\":"), NonCanonical);
    // Spaces, marks, tails.
    assert_eq!(say("\"v\":1", "\"v\": 1"), NonCanonical);
    assert_eq!(say("\"v\":1", "\"v\":1\n"), NonCanonical);
    assert_eq!(refused(&[bytes, &b" "[..]].concat()), NonCanonical);
    assert_eq!(refused(&[bytes, &b"\n"[..]].concat()), NonCanonical);
    assert_eq!(refused(&[bytes, &b"}"[..]].concat()), Malformed);
    assert_eq!(refused(&[bytes, &b"\0"[..]].concat()), Malformed);
    assert_eq!(refused(&[b"\xef\xbb\xbf", &bytes[..]].concat()), Malformed);
    assert_eq!(refused(&[b" ", &bytes[..]].concat()), NonCanonical);
    // Escapes: only where they must be. Text: ASCII.
    assert_eq!(say("\"HEARTBEAT\"", "\"\\u0048EARTBEAT\""), NonCanonical);
    assert_eq!(say("\"verb\"", "\"\\u0076erb\""), NonCanonical);
    assert_eq!(say("\"HEARTBEAT\"", "\"\\ud800\""), Malformed);
    assert_eq!(say("\"HEARTBEAT\"", "\"H\u{c9}ARTBEAT\""), UnknownVerb);
    assert_eq!(say("\"trace\":\"00", "\"trace\":\"\u{660}0"), NonCanonical);
    assert_eq!(refused(&[&bytes[..20], b"\xff", &bytes[21..]].concat()), Malformed);
    // Another version may have another shape; another verb may not.
    assert_eq!(say("\"v\":1", "\"v\":2"), UnknownVersion);
    assert_eq!(refused(br#"{"v":2,"header":{}}"#), UnknownVersion);
    assert_eq!(say("\"HEARTBEAT\"", "\"heartbeat\""), UnknownVerb);
    // Other shapes of the same struct, and depth.
    for bad in ["", "{}", "[]", "null", "1", "\"\"", "{\"v\":1}", "[[[[", "{\"body\":"] {
        assert_eq!(refused(bad.as_bytes()), Malformed, "{bad}");
    }
    for deep in
        ["[".repeat(60_000), "{\"body\":".repeat(8_000), format!("{}{}", "[".repeat(30_000), "]".repeat(30_000))]
    {
        assert_eq!(refused(deep.as_bytes()), Malformed);
        let body = swap(bytes, "\"progress_bp\":", &format!("\"x\":{},\"progress_bp\":", &deep[..60_000]));
        assert_eq!(refused(&body), Malformed);
    }
    assert_eq!(refused(&vec![b' '; 64 * 1024 + 1]), Reject::Oversize);
}

/// T06: text beyond ASCII and lists out of order are refused also where their sender signed them so.
#[test]
fn t06_signed_does_not_mean_fine() {
    let key = key(9);
    let mut manifest = content(Verb::Manifest, &mut Bytes::of(&[1; 500]), &key);
    let say = |edit: &dyn Fn(&mut swarm_core::wire::Manifest)| {
        let mut content = manifest.clone();
        let Body::Manifest(body) = &mut content.body else { unreachable!() };
        edit(body);
        let before = content.check();
        let refusal = Envelope::receive(Draft::new(content).sign(&key).bytes()).map(|_| ());
        assert_eq!(before, refusal.map_err(|refusal| refusal.reject), "sender and receiver judge alike");
        before
    };
    assert_eq!(say(&|_| ()), Ok(()));
    assert_eq!(say(&|body| body.org = "M\u{fc}ller".into()), Err(Reject::NonCanonical));
    assert_eq!(say(&|body| body.org = "\u{1b}[2J".into()), Err(Reject::OutOfBounds));
    assert_eq!(say(&|body| body.org = "x".repeat(65)), Err(Reject::Oversize));
    assert_eq!(say(&|body| body.agent = AgentId([7; 32])), Err(Reject::WrongFields));
    manifest.trace.make_ascii_uppercase();
    assert_eq!(manifest.check(), Err(Reject::WrongFields));
}

/// T01: the signer is the sender, strictly, and the id is of this content.
#[test]
fn t01_only_the_senders_own_signature_counts() {
    let (mine, other) = (signed(Verb::Heartbeat, 3), signed(Verb::Heartbeat, 4));
    let sig = |envelope: &Envelope| format!("\"sig\":\"{}\"", envelope.sig());
    let sender = |envelope: &Envelope| envelope.sender.to_string();
    let id = |envelope: &Envelope| envelope.id().to_string();
    let say = |from: String, to: String| refused(&swap(mine.bytes(), &from, &to));
    assert_eq!(say(sig(&mine), sig(&other)), Reject::BadSignature);
    assert_eq!(say(sender(&mine), sender(&other)), Reject::WrongId);
    assert_eq!(say(id(&mine), id(&other)), Reject::WrongId);
    assert_eq!(say(sig(&mine), "\"sig\":\"\"".into()), Reject::Malformed);

    // Malleability: S + L is the same scalar and must not be the same signature.
    let mut bytes = mine.sig().0;
    let order = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
    let order = order.parse::<Digest>().unwrap().0;
    let mut carry = 0;
    for (byte, add) in bytes[32..].iter_mut().zip(order) {
        carry += u16::from(*byte) + u16::from(add);
        *byte = carry as u8;
        carry >>= 8;
    }
    let forged = swarm_core::wire::Signature(bytes);
    assert_eq!(say(sig(&mine), format!("\"sig\":\"{forged}\"")), Reject::BadSignature);
}

/// T01: keys under which anyone can sign anything, and second spellings of a key, are no senders.
#[test]
fn t01_weak_and_odd_keys_are_refused() {
    let key = key(3);
    let mut odd = [0xff; 32];
    (odd[0], odd[31]) = (0xf0, 0x7f);
    let identity: [u8; 32] = std::array::from_fn(|at| u8::from(at == 0));
    for bad in [identity, [0; 32], odd, [2; 32]] {
        let mut content = content(Verb::Stake, &mut Bytes::of(&[1; 300]), &key);
        (content.sender, content.target) = (AgentId(bad), None);
        let draft = Draft::new(content);
        let unsigned = String::from_utf8(draft.unsigned_bytes()).unwrap();
        // The identity key accepts R = S = identity and zero for every message, unless verification is strict.
        let mut sig = [0; 64];
        sig[0] = 1;
        let sig = swarm_core::wire::Signature(sig);
        let end = unsigned.find(",\"thread\"").unwrap();
        let forged = format!("{},\"sig\":\"{sig}\"{}", &unsigned[..end], &unsigned[end..]);
        assert_eq!(refused(forged.as_bytes()), Reject::BadKey, "{bad:?}");
    }
}

/// T10: a refusal names its sender only if the sender's signature was good.
#[test]
fn t10_only_a_signed_mistake_has_a_sender() {
    let key = key(5);
    let mut content = content(Verb::Heartbeat, &mut Bytes::of(&[5; 300]), &key);
    content.fence = None;
    let envelope = Draft::new(content).sign(&key);
    let refusal = Envelope::receive(envelope.bytes()).unwrap_err();
    assert_eq!((refusal.reject, refusal.signed), (Reject::WrongFields, Some((envelope.id(), envelope.sender))));

    let spoiled = swap(envelope.bytes(), &envelope.sig().to_string(), &signed(Verb::Stake, 1).sig().to_string());
    let refusal = Envelope::receive(&spoiled).unwrap_err();
    assert_eq!((refusal.reject, refusal.signed), (Reject::BadSignature, None));
}

#[test]
fn every_verb_needs_its_fields_and_no_others() {
    let key = key(6);
    for verb in Verb::ALL {
        let good = content(*verb, &mut Bytes::of(&[6; 900]), &key);
        assert_eq!(good.check(), Ok(()), "{verb:?}");
        let (thread, epoch, fence) = verb.fields();
        let say = |there: bool, field: Field| match (field, there) {
            (Field::Needed, false) | (Field::Barred, true) => Err(Reject::WrongFields),
            _ => Ok(()),
        };
        let mut other = good.clone();
        other.epoch = good.epoch.xor(Some(Epoch(1)));
        if *verb != Verb::Finalize && *verb != Verb::Decide {
            assert_eq!(other.check(), say(other.epoch.is_some(), epoch), "epoch of {verb:?}");
        }
        let mut other = good.clone();
        other.fence = good.fence.xor(Some(Fence(1)));
        if *verb != Verb::Finalize {
            assert_eq!(other.check(), say(other.fence.is_some(), fence), "fence of {verb:?}");
        }
        let mut other = good.clone();
        other.thread = match good.thread {
            Thread::System => need_thread(),
            Thread::Need(_) => Thread::System,
        };
        other.trace = trace_of(other.thread, None);
        let expected = if thread == ThreadKind::Any { Ok(()) } else { Err(Reject::WrongFields) };
        assert_eq!(other.check(), expected, "thread of {verb:?}");
    }
}

#[test]
fn a_trace_names_its_thread_and_a_span() {
    let good = content(Verb::Heartbeat, &mut Bytes::of(&[6; 900]), &key(6));
    let span = "00f067aa0ba902b7";
    let trace = &good.trace[3..35];
    let say = |text: String| Content { trace: text, ..good.clone() }.check();
    assert_eq!(say(format!("00-{trace}-{span}-01")), Ok(()));
    for bad in [
        String::new(),
        format!("00-{trace}-{span}-00"),
        format!("01-{trace}-{span}-01"),
        format!("00-{trace}-{}-01", span.to_uppercase()),
        format!("00-{trace}-0000000000000000-01"),
        format!("00-{trace}-{}-01", &span[1..]),
        format!("00-{trace}--{}-01", &span[1..]),
        format!("00-{}-{span}-01", &trace_of(Thread::System, None)[3..35]),
        format!("00-{trace}-{span}-01 "),
    ] {
        assert_eq!(say(bad.clone()), Err(Reject::WrongFields), "{bad}");
    }
}

/// T11: what a DECIDE carries are the envelopes of its verb, thread and epoch, and nothing stacked deeper.
#[test]
fn t11_a_decide_holds_one_proposal_and_votes_of_its_thread() {
    let key = key(8);
    let decide = |edit: &dyn Fn(&mut Content)| {
        let mut content = content(Verb::Decide, &mut Bytes::of(&[8; 3000]), &key);
        edit(&mut content);
        Envelope::verify(Draft::new(content).sign(&key).bytes()).map(|_| ())
    };
    fn body(content: &mut Content) -> &mut Decide {
        let Body::Decide(body) = &mut content.body else { unreachable!() };
        body
    }
    assert_eq!(decide(&|_| ()), Ok(()));
    assert_eq!(decide(&|c| body(c).approvals.reverse()), Err(Reject::NonCanonical));
    assert_eq!(decide(&|c| c.epoch = Some(Epoch(99))), Err(Reject::WrongFields));
    assert_eq!(decide(&|c| body(c).proposal = body(c).approvals[0].clone()), Err(Reject::NoEvidence));
    let inner = Arc::new(Draft::new(content(Verb::Decide, &mut Bytes::of(&[8; 3000]), &key)).sign(&key));
    assert_eq!(decide(&|c| body(c).proposal = inner.clone()), Err(Reject::NoEvidence));
    assert_eq!(
        decide(&|c| {
            let vote = body(c).approvals[0].clone();
            body(c).approvals = vec![vote; 51];
        }),
        Err(Reject::Oversize)
    );
}

/// A stranger's DECIDE is refused before anyone looks at the signatures inside.
#[test]
fn what_is_inside_is_checked_only_for_a_signed_outside() {
    let decide = signed(Verb::Decide, 8);
    let mut asked = 0;
    let mut count = |_: Verb, bytes: &[u8]| {
        asked += 1;
        Envelope::verify(bytes).map(Arc::new)
    };
    assert!(Envelope::receive_with(decide.bytes(), &mut count).is_ok());
    let spoiled = swap(decide.bytes(), &decide.sig().to_string(), &signed(Verb::Stake, 1).sig().to_string());
    assert_eq!(Envelope::receive_with(&spoiled, &mut count).unwrap_err().reject, Reject::BadSignature);
    assert_eq!(asked, 3, "one proposal and two votes, of the good one only");
}

#[test]
fn an_envelope_travels_inside_json_unchanged() {
    for verb in Verb::ALL {
        let envelope = signed(*verb, 2);
        let json = serde_json::to_string(&[&envelope]).unwrap();
        let back: Vec<Envelope> = serde_json::from_str(&json).unwrap();
        assert_eq!(back, [envelope]);
    }
}

fn any_content() -> impl Strategy<Value = (Content, u8)> {
    let verbs = proptest::sample::select(Verb::ALL);
    let bytes = proptest::collection::vec(any::<u8>(), 0..900);
    (verbs, bytes, any::<u8>())
        .prop_map(|(verb, bytes, seed)| (content(verb, &mut Bytes::of(&bytes), &key(seed)), seed))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// What is signed here verifies everywhere, and says the same.
    #[test]
    fn signing_and_verifying_agree((content, seed) in any_content()) {
        let draft = Draft::new(content.clone());
        let id = draft.id();
        let length = draft.signed_len();
        let envelope = draft.sign(&key(seed));
        prop_assert_eq!(envelope.bytes().len(), length);
        let read = Envelope::verify(envelope.bytes()).unwrap();
        prop_assert_eq!(&*read, &content);
        prop_assert_eq!(read.id(), id);
        prop_assert_eq!(&read, &envelope);
    }

    /// The plain serializer's output is the canonical form, for every verb's body (CRATES: prove it in tests).
    #[test]
    fn the_canonical_form_is_the_one_of_rfc_8785((content, seed) in any_content()) {
        let envelope = Draft::new(content).sign(&key(seed));
        let value: serde_json::Value = serde_json::from_slice(envelope.bytes()).unwrap();
        let canonical = serde_json_canonicalizer::to_string(&value).unwrap();
        prop_assert_eq!(canonical.as_bytes(), &envelope.bytes()[..]);
    }

    /// No byte of an envelope can be another one.
    #[test]
    fn a_changed_byte_is_refused((content, seed) in any_content(), at in any::<proptest::sample::Index>(), flip in 1..=255u8) {
        let envelope = Draft::new(content).sign(&key(seed));
        let mut bytes = envelope.bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        prop_assert!(Envelope::verify(&bytes).is_err());
        bytes.truncate(at);
        prop_assert!(Envelope::verify(&bytes).is_err());
    }

    /// T09: whatever a body is, it is refused by name or is canonical; never a panic.
    #[test]
    fn t09_any_body_under_any_verb_is_refused_or_right(
        (content, seed) in any_content(),
        verb in proptest::sample::select(Verb::ALL),
        junk in proptest::collection::vec(any::<u8>(), 0..40),
        at in any::<proptest::sample::Index>(),
    ) {
        let envelope = Draft::new(content).sign(&key(seed));
        let said = format!("\"verb\":\"{}\"", envelope.verb().as_str());
        let other = swap(envelope.bytes(), &said, &format!("\"verb\":\"{}\"", verb.as_str()));
        if verb != envelope.verb() {
            prop_assert!(Envelope::verify(&other).is_err());
        }
        let at = at.index(other.len());
        let spliced = [&other[..at], &junk, &other[at..]].concat();
        prop_assert!(junk.is_empty() || Envelope::verify(&spliced).is_err());
        prop_assert!(Envelope::verify(&junk).is_err());
    }
}

/// Every single byte of one envelope of each verb, with three changes each.
#[test]
fn every_byte_of_every_verb_counts() {
    for verb in Verb::ALL {
        let envelope = signed(*verb, 1);
        for at in 0..envelope.bytes().len() {
            for flip in [0x01, 0x20, 0x80] {
                let mut bytes = envelope.bytes().to_vec();
                bytes[at] ^= flip;
                assert!(Envelope::verify(&bytes).is_err(), "{verb:?} at {at}, flip {flip}");
            }
        }
    }
}

/// The clock of a content is in its bytes as text, at both ends of its range.
#[test]
fn counters_reach_their_ends() {
    let key = key(1);
    for value in [0, 1, u64::from(u32::MAX) + 1, 1 << 53, (1 << 53) + 1, u64::MAX] {
        let mut content = content(Verb::Heartbeat, &mut Bytes::of(&[1; 300]), &key);
        content.lamport = Lamport(value).min(LAMPORT_MAX);
        (content.nonce, content.fence) = (Nonce(value), Some(Fence(value)));
        let envelope = Draft::new(content.clone()).sign(&key);
        assert_eq!(*Envelope::verify(envelope.bytes()).unwrap(), content);
    }
}

/// Were values up to the end of the range let in, one could carry a clock to where it cannot tick any more.
#[test]
fn t07_a_clock_value_near_the_end_of_the_range_is_refused_by_name() {
    let mut content = content(Verb::Heartbeat, &mut Bytes::of(&[1; 300]), &key(1));
    for value in [LAMPORT_MAX.0 + 1, u64::MAX] {
        content.lamport = Lamport(value);
        let envelope = Draft::new(content.clone()).sign(&key(1));
        assert_eq!(Envelope::verify(envelope.bytes()).err(), Some(Reject::LamportAhead));
    }
}

/// Tracing is not an option that changes bytes: the context is a function of thread and cause, whoever asks and however the
/// envelope will travel, and no other context is accepted for that thread.
#[test]
fn t05_trace_context_is_fixed_by_thread_and_cause() {
    let (key, cause) = (fixed_key(), Cid::of(b"the cause"));
    let of = |cause: Option<&Cid>| {
        let content = Content { trace: trace_of(golden().thread, cause), ..golden() };
        Draft::new(content).sign(&key)
    };
    assert_eq!(of(Some(&cause)).bytes(), of(Some(&cause)).bytes());
    assert_ne!(of(Some(&cause)).id(), of(None).id());
    for trace in ["", "00-00000000000000000000000000000000-0000000000000000-00", &trace_of(Thread::System, None)] {
        let content = Content { trace: trace.into(), ..golden() };
        let bytes = Draft::new(content).sign(&key).bytes().clone();
        assert_eq!(Envelope::verify(&bytes).err(), Some(Reject::WrongFields), "{trace:?}");
    }
}

#[test]
fn an_entry_batch_whose_head_is_not_that_of_its_links_is_refused() {
    let mut content = content(Verb::Entry, &mut Bytes::of(&[7; 900]), &key(7));
    assert_eq!(content.check(), Ok(()));
    let Body::Entry(batch) = &mut content.body else { unreachable!("asked for an ENTRY") };
    batch.links.push(Digest::default());
    assert_eq!(content.check(), Err(Reject::WrongLink));
    let Body::Entry(batch) = &mut content.body else { unreachable!("asked for an ENTRY") };
    batch.first = Seq(0);
    assert!(content.check().is_err(), "nothing comes before the first place");
}
