//! The client of the modelled etcd: carries what the shared client half asks and is told.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use swarm_core::id::{Digest, OpId, Seq, Thread};
use swarm_core::node::Outcome;
use swarm_core::register::{Command, Entry};
use swarm_core::rng::Stream;
use swarm_core::time::Instant;
use swarm_ports::etcd::{Answer, Client, Config, Kept, Output, Ticket};

use super::{Out, Outs, Register};
use crate::kernel::{self, Cx, LocalTime, NodeId};
use crate::world::actor::{REGISTER, service};
use crate::world::etcd::CLUSTER;
use crate::world::wire::Wire;

/// The register half that keeps its register in etcd.
#[derive(Debug)]
pub struct EtcdClient {
    client: Client<Arc<Command>>,
}

impl EtcdClient {
    /// A client at its beginning, with a stream of its own; its operators have told it which cluster it is of.
    pub fn new(stream: Stream) -> Self {
        Self::after(stream, BTreeMap::new())
    }

    /// The process dies; its next life knows what its log holds of what was `handed` over, and shares neither nonces nor requests with
    /// this one.
    pub fn crash<'a>(&mut self, luck: &mut kernel::Stream, handed: impl Iterator<Item = &'a Entry>) {
        let words: Vec<u8> = (0..4).flat_map(|_| luck.below(u64::MAX).to_be_bytes()).collect();
        // In order, so the last of a thread stays.
        let last: BTreeMap<_, _> = handed.map(|entry| (entry.thread, entry)).collect();
        let last = last.into_iter().map(|(thread, entry)| (thread, (entry.seq, entry.command.id()))).collect();
        *self = Self::after(Stream::new(&Digest::sha256(&words)), last);
    }

    fn after(stream: Stream, last: BTreeMap<Thread, (Seq, Digest)>) -> Self {
        Self { client: Client::new(Config::default(), stream, Kept { cluster: Some(CLUSTER), last }) }
    }

    fn drain(&mut self, outs: &mut Outs) {
        while let Some(output) = self.client.poll() {
            outs.push_back(match output {
                Output::Ask(id, request) => {
                    Out::Send(service(REGISTER), Wire::EtcdAsk { id, request: Rc::new(request) })
                }
                Output::Applied(thread, seq, command) => Out::Applied(Entry { command, seq, thread }),
                Output::Answer(Ticket(op), answer) => {
                    let outcome = match answer {
                        Answer::Committed(_) => Outcome::Committed,
                        Answer::NotCommitted => Outcome::NotCommitted,
                        Answer::Unknown => Outcome::Unknown,
                    };
                    Out::Answer(OpId(op), outcome)
                }
                Output::FoundOwn => Out::Mark("write-found-later"),
                Output::CaughtUp => Out::Mark("entry-caught-up"),
                Output::Lost(loss) => Out::DataLoss(loss.to_string()),
            });
        }
    }
}

fn instant(cx: &mut Cx<'_, Wire>) -> Instant {
    Instant(cx.now().ns())
}

impl Register for EtcdClient {
    fn start(&mut self, cx: &mut Cx<'_, Wire>, outs: &mut Outs) {
        self.client.start(instant(cx));
        self.drain(outs);
    }

    fn submit(&mut self, cx: &mut Cx<'_, Wire>, op: OpId, thread: Thread, command: Arc<Command>, outs: &mut Outs) {
        self.client.submit(instant(cx), Ticket(op.0), thread, command.id(), command);
        self.drain(outs);
    }

    fn on_wire(&mut self, cx: &mut Cx<'_, Wire>, _from: NodeId, msg: Wire, outs: &mut Outs) {
        if let Wire::EtcdSay { id, response } = msg {
            let response = Rc::try_unwrap(response).unwrap_or_else(|shared| (*shared).clone());
            self.client.on_response(instant(cx), id, response);
            self.drain(outs);
        }
    }

    fn on_time(&mut self, cx: &mut Cx<'_, Wire>, outs: &mut Outs) {
        self.client.on_time(instant(cx));
        self.drain(outs);
    }

    fn deadline(&self) -> Option<LocalTime> {
        self.client.deadline().map(|at| LocalTime::from_ns(at.0))
    }
}
