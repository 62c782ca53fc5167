//! When an exact search gives up.

use crate::clock::Deadline;
use crate::engine::pool::Poll;
use crate::error::Result;

/// Nodes between two looks at the clock and at the poll.
pub(super) const INTERVAL: u64 = 1 << 13;

/// Counts the nodes of a search against its limits.
pub struct Meter<'a> {
    nodes: u64,
    most_nodes: u64,
    next_look: u64,
    deadline: Deadline,
    poll: Poll<'a>,
}

impl<'a> Meter<'a> {
    pub fn new(most_nodes: Option<u64>, deadline: Deadline, poll: Poll<'a>) -> Self {
        let most_nodes = most_nodes.unwrap_or(u64::MAX);
        Self { nodes: 0, most_nodes, next_look: INTERVAL.min(most_nodes), deadline, poll }
    }

    pub fn nodes(&self) -> u64 {
        self.nodes
    }

    /// How many are left.
    pub(super) fn nodes_left(&self) -> u64 {
        self.most_nodes.saturating_sub(self.nodes)
    }

    pub(super) fn deadline(&self) -> Deadline {
        self.deadline
    }

    pub(super) fn poll(&mut self) -> Poll<'_> {
        self.poll
    }

    /// Counts one node; false when a limit is reached.
    ///
    /// # Errors
    /// Only what the poll fails with.
    #[inline]
    pub fn count(&mut self) -> Result<bool> {
        self.nodes += 1;
        if self.nodes < self.next_look {
            return Ok(true);
        }
        self.look()
    }

    /// Counts `nodes` at once; false when a limit is reached.
    pub(super) fn charge(&mut self, nodes: u64) -> Result<bool> {
        self.nodes = self.nodes.saturating_add(nodes);
        self.look()
    }

    /// Looks at the limits and at the poll; false when a limit is reached.
    #[cold]
    pub(super) fn look(&mut self) -> Result<bool> {
        (self.poll)()?;
        self.next_look = (self.nodes + INTERVAL).min(self.most_nodes);
        Ok(!self.deadline.is_over() && self.nodes < self.most_nodes)
    }

    /// What `work` comes to if it may count no more than `nodes`.
    pub(super) fn within<T>(&mut self, nodes: u64, work: impl FnOnce(&mut Self) -> T) -> T {
        let most_nodes = self.most_nodes;
        self.most_nodes = self.nodes.saturating_add(nodes).min(most_nodes);
        self.next_look = self.next_look.min(self.most_nodes);
        let done = work(self);
        self.most_nodes = most_nodes;
        done
    }
}
