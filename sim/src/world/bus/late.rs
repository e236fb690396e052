//! Who comes to the bus late, and who never comes back.

use std::rc::Rc;

use super::{Bus, Topics};
use crate::kernel::{Cx, NodeId};
use crate::world::wire::{Post, Wire};

impl Bus {
    /// From now on everything is kept for those who join late. Before the first message only.
    pub fn keep_history(&mut self) {
        self.history.get_or_insert_default();
    }

    /// Adds a consumer group that reads everything from the start.
    pub fn join_late(&mut self, cx: &mut Cx<'_, Wire>, members: Vec<NodeId>, topics: Topics) {
        self.join(members, topics);
        let group = self.groups.len() - 1;
        let kept: Vec<Rc<Post>> =
            self.history.iter().flatten().filter(|post| self.wants(group, post)).cloned().collect();
        kept.into_iter().for_each(|post| self.deliver(cx, group, post));
    }

    /// The groups of a host that is gone for good get nothing any more.
    pub fn leave(&mut self, id: NodeId) {
        self.groups.iter_mut().for_each(|group| group.members.retain(|member| *member != id));
        let (groups, due) = (&self.groups, &mut self.due);
        let stays = |group: usize| !groups[group].members.is_empty();
        self.pending.retain(|delivery, pending| {
            if !stays(pending.group) {
                due.remove(&(pending.due, *delivery));
            }
            stays(pending.group)
        });
        self.settled.retain(|(group, _)| stays(*group));
        self.forgive(id);
    }
}
