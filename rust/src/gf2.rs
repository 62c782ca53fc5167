//! Sets as vectors over GF(2), and elimination.

/// A set of numbers, 64 in a word.
pub(crate) type Set = Vec<u64>;

/// Pairs of sets that are added up together: features, and the actions that flip them.
#[derive(Debug, Default)]
pub(crate) struct Basis {
    /// None has the first feature of another one before it.
    sums: Vec<Sum>,
}

/// What some actions flip together.
#[derive(Debug)]
pub(crate) struct Sum {
    pub(crate) first: usize,
    pub(crate) features: Set,
    pub(crate) actions: Set,
}

impl Basis {
    /// Takes a pair in, unless its features are a sum of those that are there: then the actions, less
    /// those of the sum.
    pub(crate) fn push(&mut self, mut features: Set, mut actions: Set) -> Option<Set> {
        self.reduce(&mut features, &mut actions);
        let Some(first) = first(&features) else { return Some(actions) };
        self.sums.push(Sum { first, features, actions });
        None
    }

    /// Adds pairs to `features` until none has its first feature in it, and their actions to `actions`.
    pub(crate) fn reduce(&self, features: &mut Set, actions: &mut Set) {
        for sum in &self.sums {
            if contains(features, sum.first) {
                add(features, &sum.features);
                add(actions, &sum.actions);
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.sums.len()
    }

    /// Sums of the pairs, none of which has the first feature of another one.
    pub(crate) fn reduced(self) -> Vec<Sum> {
        let mut sums = self.sums;
        for place in (1..sums.len()).rev() {
            let (before, from) = sums.split_at_mut(place);
            for sum in before.iter_mut().filter(|sum| contains(&sum.features, from[0].first)) {
                add(&mut sum.features, &from[0].features);
                add(&mut sum.actions, &from[0].actions);
            }
        }
        sums
    }
}

/// The set without a number, with room for those below `len`.
pub(crate) fn empty(len: usize) -> Set {
    vec![0; len.div_ceil(64)]
}

pub(crate) fn insert(set: &mut Set, number: usize) {
    set[number / 64] |= 1 << (number % 64);
}

pub(crate) fn contains(set: &[u64], number: usize) -> bool {
    set[number / 64] >> (number % 64) & 1 == 1
}

/// The sum over GF(2): what is in one of both alone.
pub(crate) fn add(set: &mut Set, other: &Set) {
    set.iter_mut().zip(other).for_each(|(word, other)| *word ^= other);
}

pub(crate) fn first(set: &Set) -> Option<usize> {
    let word = set.iter().position(|&word| word != 0)?;
    Some(64 * word + set[word].trailing_zeros() as usize)
}

pub(crate) fn count(set: &Set) -> usize {
    set.iter().map(|word| word.count_ones() as usize).sum()
}
