//! What a step of a beam chooses from.

/// An action from the right, or from the left.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Move {
    pub action: u16,
    pub is_before: bool,
}

/// As many as a candidate can tell apart; the memory holds fewer.
pub(super) const MOST_NODES: usize = (1 << 31) - 1;

/// A state that may be kept, the best first: from high to low the bits of its value, its node and its
/// move.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Candidate(u64);

impl Candidate {
    const LAST: Self = Self(u64::MAX);

    #[inline]
    fn new(value: i16, node: usize, how: Move) -> Self {
        let ordered = u64::from(value as u16 ^ 1 << 15);
        let place = (node as u64) << 17 | u64::from(how.is_before) << 16 | u64::from(how.action);
        Self(ordered << 48 | place)
    }
    #[inline]
    fn value(self) -> i16 {
        ((self.0 >> 48) as u16 ^ 1 << 15) as i16
    }
    pub(super) fn node(self) -> usize {
        (self.0 >> 17 & MOST_NODES as u64) as usize
    }
    pub(super) fn how(self) -> Move {
        Move { action: self.0 as u16, is_before: self.0 >> 16 & 1 == 1 }
    }
}

/// The best `most` of many candidates, and some more.
pub(super) struct Best {
    most: usize,
    pub candidates: Vec<Candidate>,
    /// Better than the last of `most`.
    limit: Candidate,
}

impl Best {
    pub(super) fn new(most: usize) -> Self {
        Self { most, candidates: Vec::new(), limit: Candidate::LAST }
    }

    #[inline]
    pub(super) fn add(&mut self, value: i16, node: usize, how: Move) {
        if value <= self.limit.value() {
            self.push(Candidate::new(value, node, how));
        }
    }

    #[inline]
    pub(super) fn push(&mut self, candidate: Candidate) {
        if candidate < self.limit {
            self.candidates.push(candidate);
            if self.candidates.len() >= self.most.saturating_mul(2) {
                self.cut();
            }
        }
    }

    pub(super) fn cut(&mut self) {
        if self.candidates.len() > self.most {
            let (_, &mut last, _) = self.candidates.select_nth_unstable(self.most - 1);
            self.limit = last;
            self.candidates.truncate(self.most);
        }
    }
}
