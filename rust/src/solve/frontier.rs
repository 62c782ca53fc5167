//! One beam search, depth by depth; it calls neither network nor environment.

use std::ops::Range;

use super::config::BeamConfig;
use super::episode::Episode;
use super::ranking::{Chunk, Node, Ranking};
use crate::clock::Deadline;
use crate::engine::pool::Poll;
use crate::engine::row_set::RowSet;
use crate::error::Result;
use crate::exact::goal_table::GoalTable;
use crate::rl::env::Env;
use crate::rl::vec_env::{LaneMove, Move, VecEnv, Views};
use crate::search::Budget;
use crate::spaces::Rows;

/// A child that is being made.
#[derive(Clone, Copy, Debug)]
struct Child {
    parent: usize,
    action: usize,
    score: f32,
    slot: usize,
}

/// The states of one depth, the best first.
#[derive(Default)]
struct Layer {
    nodes: Vec<Node>,
    rows: RowSet,
    /// `[nodes, A]`
    masks: Vec<bool>,
}

impl Layer {
    fn clear(&mut self) {
        self.nodes.clear();
        self.rows.clear();
        self.masks.clear();
    }
}

const NODES_BETWEEN_POLLS: usize = 1 << 14;
/// Children that are made before it is asked whether one of them is solved: some ten milliseconds' worth.
const MOST_PROPOSED: usize = 1 << 16;
/// Where there is a budget, the first search is this wide,
const FIRST_WIDTH: usize = 16;
/// and each that follows wider by this factor: all the narrow ones cost a third of the last.
const WIDENING: usize = 4;

/// The search from one start, in the slots `first_slot..first_slot + 2 * width` of a batch of
/// environments: two depths take turns with their halves.
///
/// With a budget it is an anytime search: narrow ones come first, and the best episode of all of
/// them counts when the budget is spent.
///
/// Memory: two layers of `width` states, and two numbers for each state of each depth.
pub(super) struct Frontier<'a> {
    pub(super) start: usize,
    pub(super) first_slot: usize,
    /// The environment in its start: every search copies it, since a start may not come again.
    pub(super) root: Box<dyn Env>,
    /// Of the last search,
    widest: usize,
    /// and of the one that runs.
    width: usize,
    /// Whether the search that runs had no room for a state.
    was_full: bool,
    value_weight: f32,
    budget: Budget,
    num_actions: usize,
    /// What undoes each action `[A]`; empty if that is not known.
    inverses: &'a [usize],
    table: Option<&'a GoalTable>,
    layer: Layer,
    next: Layer,
    /// Slots of the next layer that hold no state.
    free: Vec<usize>,
    /// The children of the layer,
    ranking: Ranking,
    /// if they have been ranked.
    is_ranked: bool,
    proposed: Vec<Child>,
    /// By depth, parent and action of each node.
    history: Vec<Vec<(u32, u32)>>,
    /// The best state in which an episode ended.
    ended: Option<Episode>,
    /// What narrower searches found.
    narrower: Option<Episode>,
    nodes: u64,
    /// Whether all states up to the depth of the search that runs were looked at.
    is_whole: bool,
    /// [`Episode::at_least`] of all searches from this start.
    at_least: usize,
    deadline: Deadline,
}

impl<'a> Frontier<'a> {
    pub(super) fn new(
        config: BeamConfig,
        budget: Budget,
        first_slot: usize,
        root: Box<dyn Env>,
        inverses: &'a [usize],
        table: Option<&'a GoalTable>,
    ) -> Self {
        Self {
            start: 0,
            num_actions: root.num_actions(),
            root,
            widest: config.width,
            width: config.width,
            was_full: false,
            value_weight: config.value_weight,
            budget,
            first_slot,
            inverses,
            table,
            layer: Layer::default(),
            next: Layer::default(),
            free: Vec::new(),
            ranking: Ranking::default(),
            is_ranked: false,
            proposed: Vec::new(),
            history: Vec::new(),
            ended: None,
            narrower: None,
            nodes: 0,
            is_whole: true,
            at_least: 0,
            deadline: Deadline::NEVER,
        }
    }

    /// Begins at `start`, which is in `first_slot` and was seen as the only row of `views`.
    ///
    /// # Errors
    /// If there is a limit of time and no clock.
    pub(super) fn begin(&mut self, start: usize, views: &Views) -> Result<()> {
        self.start = start;
        self.deadline = Deadline::after(self.budget.time)?;
        (self.nodes, self.at_least, self.narrower) = (0, 0, None);
        self.width = match self.budget == Budget::default() {
            true => self.widest,
            false => FIRST_WIDTH.min(self.widest),
        };
        self.begin_search(views)
    }

    /// Whether a wider search from the same start may find more.
    pub(super) fn may_widen(&self) -> bool {
        self.was_full
            && self.width < self.widest
            && self.budget.nodes.is_none_or(|most| self.nodes < most)
            && !self.is_late()
    }

    /// Begins a wider search at the same start, seen as in [`Frontier::begin`].
    ///
    /// # Errors
    /// If an environment fails.
    pub(super) fn widen(&mut self, envs: &dyn VecEnv, views: &Views) -> Result<()> {
        self.narrower = Some(self.best(envs)?);
        self.width = self.width.saturating_mul(WIDENING).min(self.widest);
        self.begin_search(views)
    }

    fn begin_search(&mut self, views: &Views) -> Result<()> {
        (self.ended, self.was_full, self.is_whole) = (None, false, true);
        self.is_ranked = false;
        self.history.clear();
        self.layer.clear();
        let status = views.status[0];
        if status.is_final {
            let (success, reward) = (status.success, status.reward);
            self.ended = Some(Episode { success, reward, ..Episode::default() });
            return Ok(());
        }
        if let Some(table) = self.table {
            let known = table.find(views.rows.row(0));
            self.at_least = self.at_least.max(known.map_or(table.radius() + 1, |(_, d)| d));
            if let Some((state, _)) = known {
                self.ended = self.finished(Vec::new(), table.way(state))?;
            }
        }
        let root = Node { score: 0.0, reward: status.reward, slot: self.first_slot, undo: None };
        self.layer.nodes.push(root);
        self.layer.rows.insert(views.rows.row(0));
        self.layer.masks.extend_from_slice(&views.masks);
        Ok(())
    }

    /// The observations to be evaluated.
    pub(super) fn rows(&self) -> &Rows {
        self.layer.rows.rows()
    }

    /// Whether this is all: solved, nothing left to play, or out of budget.
    pub(super) fn is_done(&self) -> bool {
        self.is_solved() || self.layer.nodes.is_empty() || self.is_late()
    }

    /// Whether the time is used up.
    pub(super) fn is_late(&self) -> bool {
        self.deadline.is_over()
    }

    pub(super) fn is_solved(&self) -> bool {
        self.ended.as_ref().is_some_and(|episode| episode.success)
    }

    /// When the time is used up.
    pub(super) fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// What a value adds to a rank.
    pub(super) fn value_weight(&self) -> f32 {
        self.value_weight
    }

    pub(super) fn is_ranked(&self) -> bool {
        self.is_ranked
    }

    /// Ranks all children by the `logits [nodes, A]` and `values [nodes]` of their parents.
    ///
    /// # Errors
    /// If a state has no legal action, or `poll` fails.
    pub(super) fn rank(&mut self, logits: &[f32], values: &[f32], poll: Poll<'_>) -> Result<()> {
        let num_actions = self.num_actions;
        self.ranking.clear();
        for first in (0..self.layer.nodes.len()).step_by(NODES_BETWEEN_POLLS) {
            poll()?;
            let nodes = first..self.layer.nodes.len().min(first + NODES_BETWEEN_POLLS);
            let cells = nodes.start * num_actions..nodes.end * num_actions;
            let of = (&self.layer.nodes[nodes.clone()], &self.layer.masks[cells.clone()]);
            let said = (&logits[cells], &values[nodes]);
            self.ranking.rank(first, of, said, self.value_weight)?;
        }
        self.is_ranked = true;
        Ok(())
    }

    /// Takes the ranking of all children from `chunks`, which are of all the layer's nodes; none if one
    /// was not ranked.
    pub(super) fn take(&mut self, chunks: &mut [Chunk]) {
        self.ranking.clear();
        chunks.sort_unstable_by_key(|chunk| chunk.first);
        chunks.iter().for_each(|chunk| self.ranking.extend(&chunk.ranking));
        self.is_ranked = chunks.iter().all(|chunk| chunk.is_ranked);
    }

    /// Makes room for the children, which are ranked; how many of them are likely to be made.
    pub(super) fn open(&mut self) -> usize {
        self.nodes += self.layer.nodes.len() as u64;
        self.history.push(Vec::new());
        self.next.clear();
        let half = self.first_slot + self.history.len() % 2 * self.width;
        let left = self.budget.nodes.map_or(u64::MAX, |most| most.saturating_sub(self.nodes));
        let room = usize::try_from(left).map_or(self.width, |left| left.min(self.width));
        self.free.clear();
        self.free.extend((half..half + room).rev());
        room.min(self.ranking.candidates.len())
    }

    /// How many states of the next depth there are so far.
    pub(super) fn num_made(&self) -> usize {
        self.next.nodes.len()
    }

    /// Copies states of the next depth.
    pub(super) fn hand_over(&self, made: Range<usize>, chunk: &mut Chunk) {
        let cells = made.start * self.num_actions..made.end * self.num_actions;
        let rows = made.clone().map(|row| self.next.rows.rows().row(row));
        chunk.fill(made.start, &self.next.nodes[made.clone()], rows, &self.next.masks[cells]);
    }

    /// How many children may be asked for before one that is solved ends the depth; none once one has,
    /// or the time is used up.
    pub(super) fn room(&self) -> usize {
        if self.is_solved() || self.is_late() {
            return 0;
        }
        self.free.len().min(MOST_PROPOSED)
    }

    /// Appends the moves that make the best children not made yet, at most `most`.
    pub(super) fn propose(&mut self, most: usize, moves: &mut Vec<LaneMove>) {
        self.proposed.clear();
        while let Some(&slot) = self.free.last().filter(|_| self.proposed.len() < most) {
            let Some(child) = self.ranking.candidates.next() else {
                break;
            };
            self.free.pop();
            let (parent, action) = (child / self.num_actions, child % self.num_actions);
            let score = self.ranking.scores[child];
            self.proposed.push(Child { parent, action, score, slot });
            let parent = self.layer.nodes[parent].slot;
            moves.push(LaneMove { lane: slot, made: Move::StepFrom { parent, action } });
        }
    }

    /// Takes the children that [`Frontier::propose`] asked for, seen from row `first_row` of `views` on,
    /// and returns how many there were. What was seen in this depth is not taken again, nor, if moves can
    /// be undone, what was seen in the one before.
    ///
    /// # Errors
    /// If an environment fails.
    pub(super) fn accept(
        &mut self,
        envs: &dyn VecEnv,
        views: &Views,
        first_row: usize,
    ) -> Result<usize> {
        let proposed = std::mem::take(&mut self.proposed);
        for (i, child) in (first_row..).zip(&proposed) {
            let status = views.status[i];
            let reward = self.layer.nodes[child.parent].reward + status.reward;
            let row = views.rows.row(i);
            if status.is_final {
                self.end(envs, child, status.success, reward)?;
            } else if self.was_seen(row) {
                self.free.push(child.slot);
            } else if !self.touches(child, row)? {
                let undo = self.inverses.get(child.action).copied();
                self.next.nodes.push(Node { score: child.score, reward, slot: child.slot, undo });
                let masks = &views.masks[i * self.num_actions..][..self.num_actions];
                self.next.masks.extend_from_slice(masks);
                if let Some(steps) = self.history.last_mut() {
                    steps.push((child.parent as u32, child.action as u32));
                }
            }
        }
        self.proposed = proposed;
        Ok(self.proposed.len())
    }

    /// Whether the table knows the state that is seen as `row`, and the way from there was kept.
    /// The first one counts: what it takes from there is what it takes from all others of its depth,
    /// since the states before it are none of the table.
    fn touches(&mut self, child: &Child, row: &[i32]) -> Result<bool> {
        let Some(table) = self.table.filter(|_| !self.is_solved()) else { return Ok(false) };
        let Some((state, _)) = table.find(row) else { return Ok(false) };
        let episode = self.finished(self.path_to(child), table.way(state))?;
        let is_found = episode.is_some();
        self.is_whole &= is_found;
        self.ended = episode.or(self.ended.take());
        Ok(is_found)
    }

    /// The episode by `path` and then `way`, if it ends well.
    fn finished(&self, mut path: Vec<i64>, way: Vec<usize>) -> Result<Option<Episode>> {
        path.extend(way.into_iter().map(|action| action as i64));
        Episode::played(&*self.root, path)
    }

    /// Whether `row` was seen before; it is now. Where steps may be random, the same observation
    /// a step later can be another state.
    fn was_seen(&mut self, row: &[i32]) -> bool {
        let is_deterministic = !self.inverses.is_empty();
        is_deterministic && self.layer.rows.contains(row) || !self.next.rows.insert(row).1
    }

    /// Keeps the episode that ended in `child` if it is the best: by (success, reward), of equals
    /// the first.
    fn end(&mut self, envs: &dyn VecEnv, child: &Child, success: bool, reward: f32) -> Result<()> {
        self.is_whole &= success;
        let best = self.ended.as_ref().map(|best| (best.success, best.reward));
        if best.is_some_and(|best| (success, reward) <= best) {
            return Ok(());
        }
        let actions = envs.solution(child.slot)?.unwrap_or_else(|| self.path_to(child));
        self.ended = Some(Episode { success, reward, actions, ..Episode::default() });
        Ok(())
    }

    /// Goes on to the next depth.
    ///
    /// # Errors
    /// If an environment fails.
    pub(super) fn descend(&mut self, envs: &dyn VecEnv) -> Result<()> {
        self.was_full |= self.next.nodes.len() == self.width;
        self.is_whole &= self.ranking.candidates.are_taken();
        if let Some(table) = self.table.filter(|_| self.is_whole && !self.is_solved()) {
            self.at_least = self.at_least.max(self.history.len() + table.radius() + 1);
        }
        if self.next.nodes.is_empty() && self.ended.is_none() {
            self.history.pop();
            self.ended = Some(self.unfinished(envs)?);
        }
        std::mem::swap(&mut self.layer, &mut self.next);
        self.is_ranked = false;
        Ok(())
    }

    /// What was found.
    ///
    /// # Errors
    /// If an environment fails.
    pub(super) fn finish(&mut self, envs: &dyn VecEnv) -> Result<Episode> {
        Ok(Episode { nodes: self.nodes, at_least: self.at_least as u64, ..self.best(envs)? })
    }

    /// The best episode of all searches from this start, the narrower one's of equals.
    fn best(&mut self, envs: &dyn VecEnv) -> Result<Episode> {
        let episode = match self.ended.take() {
            Some(episode) => episode,
            None => self.unfinished(envs)?,
        };
        Ok(match self.narrower.take() {
            Some(best) if (best.success, best.reward) >= (episode.success, episode.reward) => best,
            _ => episode,
        })
    }

    /// The best state of the current depth, as an episode that was given up there.
    fn unfinished(&self, envs: &dyn VecEnv) -> Result<Episode> {
        let Some(node) = self.layer.nodes.first() else {
            return Ok(Episode::default());
        };
        let path = self.path(self.history.len(), 0);
        let actions = envs.solution(node.slot)?.unwrap_or(path);
        Ok(Episode { reward: node.reward, actions, ..Episode::default() })
    }

    /// The actions that lead to `child`, of the depth that is being made.
    fn path_to(&self, child: &Child) -> Vec<i64> {
        let mut actions = self.path(self.history.len() - 1, child.parent);
        actions.push(child.action as i64);
        actions
    }

    /// The actions that lead to a node of a depth.
    fn path(&self, depth: usize, mut node: usize) -> Vec<i64> {
        let mut actions = Vec::with_capacity(depth + 1);
        for steps in self.history[..depth].iter().rev() {
            let (parent, action) = steps[node];
            actions.push(i64::from(action));
            node = parent as usize;
        }
        actions.reverse();
        actions
    }
}
