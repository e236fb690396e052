//! The register: one agreed order of commands per thread, and how those who did not apply it come to believe it
//! (PROTOCOL 5).
//!
//! Whatever orders the commands (one sequencer today) stands outside; here is what an applied entry is, how it is chained,
//! who vouches for it, and when it is believed.

mod command;
mod entry;
mod event;
mod feed;
mod word;

pub use command::{Command, Submission};
pub use entry::{Applied, Chain, Entry, Outcome, Told};
pub use event::{Answer, Ask, Bench, BondFate, Counted, Ending, Event};
pub(crate) use feed::ALONE_MAX;
pub use feed::{Believed, Feed, Proof};
pub use word::{Given, Says, Word};
