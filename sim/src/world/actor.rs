//! The parties on the kernel.

use crate::kernel::{Cx, Node, NodeId};
use crate::world::bus::Bus;
use crate::world::etcd::Etcd;
use crate::world::host::Host;
use crate::world::register::Sequencer;
use crate::world::store::Store;
use crate::world::wire::Wire;

/// Where the services stand; agents follow.
pub const BUS: u32 = 0;
/// The register: its sequencer, or etcd.
pub const REGISTER: u32 = 1;
/// The artifact store.
pub const STORE: u32 = 2;
/// The first host.
pub const FIRST_HOST: u32 = 3;

/// The kernel's id of the `no`-th host.
pub fn host_id(no: u32) -> NodeId {
    NodeId::from_index((FIRST_HOST + no) as usize)
}

/// The kernel's id of a service.
pub fn service(no: u32) -> NodeId {
    NodeId::from_index(no as usize)
}

/// One party.
pub enum Actor {
    Bus(Box<Bus>),
    Register(Box<Sequencer>),
    Etcd(Box<Etcd>),
    Store(Box<Store>),
    Host(Box<Host>),
}

impl Node for Actor {
    type Msg = Wire;

    fn on_start(&mut self, cx: &mut Cx<'_, Wire>) {
        if let Self::Host(host) = self {
            host.start(cx);
        }
    }

    fn on_message(&mut self, cx: &mut Cx<'_, Wire>, from: NodeId, msg: Wire) {
        match self {
            Self::Bus(bus) => bus.on_message(cx, from, msg),
            Self::Register(register) => register.on_message(cx, from, msg),
            Self::Etcd(etcd) => etcd.on_message(cx, from, msg),
            Self::Store(store) => store.on_message(cx, from, msg),
            Self::Host(host) => host.on_message(cx, from, msg),
        }
    }

    fn on_timer(&mut self, cx: &mut Cx<'_, Wire>) {
        match self {
            Self::Bus(bus) => bus.on_timer(cx),
            Self::Register(register) => register.on_timer(cx),
            Self::Etcd(etcd) => etcd.on_timer(cx),
            Self::Store(store) => store.on_timer(cx),
            Self::Host(host) => host.on_timer(cx),
        }
    }
}
