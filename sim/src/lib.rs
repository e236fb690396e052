//! The seeded simulator of a CAN swarm.
//!
//! What stands here decides *when* things happen and never *whether they are right*: the protocol is judged elsewhere, from what was observed.
//! - [`kernel`]: a discrete-event kernel for any node type: messages, deadlines, clocks, links and their faults, one seed. It knows nothing of CAN.

pub mod kernel;
