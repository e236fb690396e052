//! What the core must never contain, one violation per marked line. Not part of any build: `core/wall.sh` adds this module to a copy
//! of the core and demands that clippy refuses every marked line with the words behind its marker. The lints are raised by the
//! attributes of the core's lib.rs, not here, so that they are proved too.
#![allow(dead_code, missing_docs, unused, deprecated, reason = "only the wall may speak here")]
extern crate std;

fn map_by_hash() { let _ = std::collections::HashMap::<u8, u8>::default(); } //~ disallowed type `std::collections::HashMap`
fn set_by_hash() { let _ = std::collections::HashSet::<u8>::default(); } //~ disallowed type `std::collections::HashSet`
fn random_state() { let _ = std::collections::hash_map::RandomState::new(); } //~ disallowed type `std::collections::hash_map::RandomState`
fn std_hasher() { let _ = std::collections::hash_map::DefaultHasher::new(); } //~ disallowed type `std::collections::hash_map::DefaultHasher`
fn monotonic(_: std::time::Instant) {} //~ disallowed type `std::time::Instant`
fn wall_clock(_: std::time::SystemTime) {} //~ disallowed type `std::time::SystemTime`
fn half(_: f32) {} //~ disallowed type `f32`
fn double(_: f64) {} //~ disallowed type `f64`
fn tenth_and_fifth() -> bool { 0.1 + 0.2 == 0.3 } //~ floating-point arithmetic
fn os_rng(_: rand::rngs::SysRng) {} //~ disallowed type `rand::rngs::SysRng`
fn thread_rng_type(_: rand::rngs::ThreadRng) {} //~ disallowed type `rand::rngs::ThreadRng`

fn monotonic_now() { let _ = std::time::Instant::now(); } //~ disallowed method `std::time::Instant::now`
fn wall_clock_now() { let _ = std::time::SystemTime::now(); } //~ disallowed method `std::time::SystemTime::now`
fn spawn() { let _ = std::thread::spawn(|| ()); } //~ disallowed method `std::thread::spawn`
fn sleep(d: core::time::Duration) { std::thread::sleep(d); } //~ disallowed method `std::thread::sleep`
fn variable() { let _ = std::env::var("HOME"); } //~ disallowed method `std::env::var`
fn variable_os() { let _ = std::env::var_os("HOME"); } //~ disallowed method `std::env::var_os`
fn read() { let _ = std::fs::read("x"); } //~ disallowed method `std::fs::read`
fn write() { let _ = std::fs::write("x", "y"); } //~ disallowed method `std::fs::write`
fn pid() { let _ = std::process::id(); } //~ disallowed method `std::process::id`
fn os_bytes(b: &mut [u8]) { let _ = getrandom::fill(b); } //~ disallowed method `getrandom::fill`
fn os_u32() { let _ = getrandom::u32(); } //~ disallowed method `getrandom::u32`
fn os_u64() { let _ = getrandom::u64(); } //~ disallowed method `getrandom::u64`
fn thread_rng() { let _ = rand::rng(); } //~ disallowed method `rand::rng`
fn random() { let _ = rand::random::<u8>(); } //~ disallowed method `rand::random`
fn random_range() { let _ = rand::random_range(0..9u8); } //~ disallowed method `rand::random_range`
fn random_bool() { let _ = rand::random_bool(0.5); } //~ disallowed method `rand::random_bool`
fn random_fill(b: &mut [u8]) { rand::fill(b); } //~ disallowed method `rand::fill`
fn seeded_by_os() { let _ = rand::make_rng::<rand::rngs::StdRng>(); } //~ disallowed method `rand::make_rng`

use automerge::{ActorId, AutoCommit, Automerge, LoadOptions, OnPartialLoad, PatchLog, ROOT, ReadDoc, TextEncoding, VerificationMode};
fn actor() { let _ = ActorId::random(); } //~ disallowed method `automerge::ActorId::random`
fn auto_new() { let _ = AutoCommit::new(); } //~ disallowed method `automerge::AutoCommit::new`
fn auto_encoding(e: TextEncoding) { let _ = AutoCommit::new_with_encoding(e); } //~ disallowed method `automerge::AutoCommit::new_with_encoding`
fn auto_load() { let _ = AutoCommit::load(&[]); } //~ disallowed method `automerge::AutoCommit::load`
fn auto_unverified() { let _ = AutoCommit::load_unverified_heads(&[]); } //~ disallowed method `automerge::AutoCommit::load_unverified_heads`
fn auto_with(p: OnPartialLoad, v: VerificationMode) { let _ = AutoCommit::load_with(&[], p, v); } //~ disallowed method `automerge::AutoCommit::load_with`
fn auto_options(o: LoadOptions<'static>) { let _ = AutoCommit::load_with_options(&[], o); } //~ disallowed method `automerge::AutoCommit::load_with_options`
fn auto_fork(d: &mut AutoCommit) { let _ = d.fork(); } //~ disallowed method `automerge::AutoCommit::fork`
fn auto_fork_at(d: &mut AutoCommit) { let _ = d.fork_at(&[]); } //~ disallowed method `automerge::AutoCommit::fork_at`
fn doc_new() { let _ = Automerge::new(); } //~ disallowed method `automerge::Automerge::new`
fn doc_encoding(e: TextEncoding) { let _ = Automerge::new_with_encoding(e); } //~ disallowed method `automerge::Automerge::new_with_encoding`
fn doc_load() { let _ = Automerge::load(&[]); } //~ disallowed method `automerge::Automerge::load`
fn doc_unverified() { let _ = Automerge::load_unverified_heads(&[]); } //~ disallowed method `automerge::Automerge::load_unverified_heads`
fn doc_with(p: OnPartialLoad, v: VerificationMode, l: &mut PatchLog) { let _ = Automerge::load_with(&[], p, v, l); } //~ disallowed method `automerge::Automerge::load_with`
fn doc_options(o: LoadOptions<'static>) { let _ = Automerge::load_with_options(&[], o); } //~ disallowed method `automerge::Automerge::load_with_options`
fn doc_fork(d: &Automerge) { let _ = d.fork(); } //~ disallowed method `automerge::Automerge::fork`
fn doc_fork_at(d: &Automerge) { let _ = d.fork_at(&[]); } //~ disallowed method `automerge::Automerge::fork_at`
fn doc_hydrate(d: &Automerge) { let _ = d.hydrate(None); } //~ disallowed method `automerge::Automerge::hydrate`
fn any_hydrate(d: &AutoCommit) { let _ = ReadDoc::hydrate(d, ROOT, None); } //~ disallowed method `automerge::ReadDoc::hydrate`

use raft::{ProgressTracker, storage::MemStorage};
fn raft_timeout(r: &mut raft::Raft<MemStorage>) { r.reset_randomized_election_timeout(); } //~ disallowed method `raft::Raft::reset_randomized_election_timeout`
fn raft_order(t: &ProgressTracker) { let _ = t.iter(); } //~ disallowed method `raft::ProgressTracker::iter`
fn raft_order_mut(t: &mut ProgressTracker) { let _ = t.iter_mut(); } //~ disallowed method `raft::ProgressTracker::iter_mut`

use ed25519_dalek::{Signature, SigningKey, Verifier as _, VerifyingKey};
fn lax(k: &VerifyingKey, s: &Signature) { let _ = k.verify(b"", s); } //~ disallowed method `ed25519_dalek::Verifier::verify`
fn lax_own(k: &SigningKey, s: &Signature) { let _ = k.verify(b"", s); } //~ disallowed method `ed25519_dalek::SigningKey::verify`

fn raw(p: *const u8) -> u8 { unsafe { *p } } //~ usage of an `unsafe` block
