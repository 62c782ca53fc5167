//! A table of states as arrays, for another process.

use super::{Breadth, ToldBy};
use crate::clock::Deadline;
use crate::engine::store::Arrays;
use crate::error::{Error, Result};
use crate::exact::meter::Meter;
use crate::rl::env::Env;

const LOW: &str = "keys.low";
const HIGH: &str = "keys.high";
const PARENTS: &str = "parents";
const ACTIONS: &str = "actions";
const LAYERS: &str = "layers";
/// States that are looked at in the environment itself.
const LOOKED_AT: usize = 256;

impl Breadth {
    pub(crate) fn arrays(&self) -> Arrays {
        Arrays::default()
            .with(LOW, self.keys.low.clone())
            .with(HIGH, self.keys.high.clone())
            .with(PARENTS, self.parents.clone())
            .with(ACTIONS, self.actions.clone())
            .with(LAYERS, self.layers.iter().map(|&first| first as u64).collect::<Vec<_>>())
    }

    /// The table that has given `arrays`, around the state that `env` is in; states of each part of it are
    /// looked at whether they are where it says.
    ///
    /// # Errors
    /// If they are no such table, or the environment fails.
    pub(crate) fn read(env: &mut dyn Env, told_by: ToldBy, mut arrays: Arrays) -> Result<Self> {
        let mut read = Self::new(env, told_by)?;
        let low: Vec<u64> = arrays.take(LOW)?;
        let count = low.len();
        let high: Vec<u64> = arrays.take(HIGH)?;
        if !high.is_empty() && high.len() != count {
            return Err(Error::invalid(HIGH, format!("none or {count} numbers"), high.len()));
        }
        read.parents = arrays.take_all(PARENTS, count)?;
        read.actions = arrays.take_all(ACTIONS, count)?;
        read.layers = layers_of(&arrays.take(LAYERS)?, count)?;
        read.check_tree()?;
        read.enter(&low, &high)?;
        read.look(env)?;
        Ok(read)
    }

    /// Refuses states that were not reached from the layer before theirs by an action.
    fn check_tree(&self) -> Result<()> {
        let count = self.num_states();
        if let Some(action) = self.actions.iter().find(|&&a| usize::from(a) >= self.inverse.len()) {
            let expected = format!("numbers in 0..{}", self.inverse.len());
            return Err(Error::invalid(ACTIONS, expected, action));
        }
        // States of a layer that is not whole come last.
        let ends = self.layers[1..].iter().copied().chain([count]);
        for (before, end) in self.layers.windows(2).zip(ends.skip(1)) {
            let layer = &self.parents[before[1]..end];
            if let Some(parent) =
                layer.iter().find(|&&parent| !(before[0]..before[1]).contains(&(parent as usize)))
            {
                let expected = format!("states of the layer before, {}..{}", before[0], before[1]);
                return Err(Error::invalid(PARENTS, expected, parent));
            }
        }
        Ok(())
    }

    /// Enters all keys but the first, which is there.
    fn enter(&mut self, low: &[u64], high: &[u64]) -> Result<()> {
        self.keys.reserve(low.len(), &mut Meter::new(None, Deadline::NEVER, &mut || Ok(())))?;
        for (number, &low) in low.iter().enumerate() {
            let key = u128::from(high.get(number).copied().unwrap_or(0)) << 64 | u128::from(low);
            let is_known = match number {
                0 => key != self.keys.get(0),
                _ => !self.keys.insert(key),
            };
            if is_known {
                let got = format!("that of state {number}");
                return Err(Error::invalid(LOW, "that of the root, then others, each once", got));
            }
        }
        Ok(())
    }

    /// Goes to some states and compares them and those next to them with what the table says.
    fn look(&mut self, env: &mut dyn Env) -> Result<()> {
        let mut masks = vec![false; self.inverse.len()];
        let count = self.num_states();
        let mut at = 0;
        for look in 0..LOOKED_AT.min(count) {
            let state = look * count / LOOKED_AT.min(count);
            self.walk(env, at, state)?;
            at = state;
            if self.find_here(env, &mut Vec::new())? != Some(state) {
                return Err(not_of_the_environment(format!("another one for state {state}")));
            }
            let distance = self.distance(state);
            env.try_masks(&mut masks)?;
            for (action, _) in masks.iter().enumerate().filter(|(_, &legal)| legal) {
                env.try_step(action)?;
                let next = self.find_here(env, &mut Vec::new())?;
                env.try_step(self.inverse[action])?;
                let is_near = match next {
                    Some(next) => self.distance(next).abs_diff(distance) <= 1,
                    None => distance >= self.radius(),
                };
                if !is_near {
                    let got = format!("state {state} with another one next to it");
                    return Err(not_of_the_environment(got));
                }
            }
        }
        self.walk(env, at, 0)
    }
}

fn not_of_the_environment(got: String) -> Error {
    Error::invalid("states", "those of the environment", got)
}

/// The first states of `count` in their layers, and of the next one.
fn layers_of(numbers: &[u64], count: usize) -> Result<Vec<usize>> {
    let is_rising = numbers.windows(2).all(|pair| pair[0] < pair[1]);
    let begins = numbers.starts_with(&[0, 1]);
    let fits = numbers.last().is_some_and(|&last| last <= count as u64);
    if !(is_rising && begins && fits) || count >= super::EMPTY as usize {
        let expected = format!("rising numbers from 0 and 1 to at most {count}, less than 2^32");
        return Err(Error::invalid(LAYERS, expected, format!("{} others", numbers.len())));
    }
    Ok(numbers.iter().map(|&first| first as usize).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envs::find;
    use crate::exact::breadth::Grown;

    fn grown(env: &mut dyn Env, told_by: ToldBy, most_states: usize) -> Breadth {
        let mut table = Breadth::new(env, told_by).unwrap();
        let poll = &mut || Ok(());
        let meter = &mut Meter::new(None, Deadline::NEVER, poll);
        while table.grow(env, most_states, meter, |_, _| false).unwrap() == Grown::Layer {}
        table
    }

    fn made(name: &str, parameters: &serde_json::Value) -> Box<dyn Env> {
        find(name).unwrap().make(parameters.as_object().unwrap()).unwrap()
    }

    #[test]
    fn a_table_comes_back() {
        let on_line = serde_json::json!({"num_qubits": 3});
        let board = serde_json::json!({});
        for (name, parameters, told_by, most) in [
            ("LinearFunction", &on_line, ToldBy::Class, 1000),
            ("LinearFunction", &on_line, ToldBy::Key, 50),
            ("Clifford", &on_line, ToldBy::ClassHash, 1000),
            ("Puzzle", &board, ToldBy::Key, 2000),
            ("Puzzle", &board, ToldBy::Observation, 700),
        ] {
            let mut env = made(name, parameters);
            let mut table = grown(&mut *env, told_by, most);
            let mut again = Breadth::read(&mut *env, told_by, table.arrays()).unwrap();
            assert!(env.success());
            assert_eq!(again.arrays(), table.arrays());
            assert_eq!(again.layer_sizes(), table.layer_sizes());
            for state in [0, table.num_states() - 1] {
                let key = table.keys.get(state);
                assert_eq!((again.find(key), table.find(key)), (Some(state), Some(state)));
            }
            assert!(again.check_key(&*env, 0).is_ok() && table.check_key(&*env, 0).is_ok());
        }
    }

    #[test]
    fn what_is_no_table_of_the_environment_is_refused() {
        let mut env = made("Puzzle", &serde_json::json!({}));
        let table = grown(&mut *env, ToldBy::Key, 500);
        let last = table.num_states() as u32 - 1;
        let mut refused = |change: &dyn Fn(Arrays) -> Arrays, name: &str| {
            let read = Breadth::read(&mut *env, ToldBy::Key, change(table.arrays()));
            let error = read.map(drop).unwrap_err();
            assert!(error.to_string().starts_with(&format!("{name}: expected")), "{error}");
            env.try_reset_goal(&mut crate::rng::Rng::new(0)).unwrap();
        };
        let low = table.keys.low.clone();
        let with_low = |change: &dyn Fn(&mut Vec<u64>)| {
            let mut low = low.clone();
            change(&mut low);
            move |arrays: Arrays| arrays.with(LOW, low.clone())
        };
        refused(&|_| Arrays::default(), LOW);
        refused(&with_low(&|low| low.truncate(7)), PARENTS);
        refused(&with_low(&|low| low[0] += 1), LOW);
        refused(&with_low(&|low| low[9] = low[8]), LOW);
        refused(&with_low(&|low| low.swap(2, 3)), "states");
        refused(&with_low(&|low| low.swap(1, 2)), "states");
        refused(&|arrays| arrays.with(HIGH, vec![1u64; 3]), HIGH);
        refused(&|arrays| arrays.with(ACTIONS, vec![4u8; low.len()]), ACTIONS);
        refused(&|arrays| arrays.with(PARENTS, vec![last; low.len()]), PARENTS);
        refused(&|arrays| arrays.with(LAYERS, vec![0u64, 1, 9, 4]), LAYERS);
        refused(&|arrays| arrays.with(LAYERS, vec![0u64, 1, 1 << 40]), LAYERS);
        refused(&|arrays| arrays.with(LAYERS, Vec::<u64>::new()), LAYERS);
        // Without a state that leads to no other.
        let leaf = (table.layers[8]..).find(|leaf| !table.parents.contains(&(*leaf as u32)));
        let leaf = leaf.filter(|&leaf| leaf < table.layers[9]).unwrap();
        let without = |arrays: Arrays| {
            let mut parents: Vec<u32> = table
                .parents
                .iter()
                .map(|&parent| parent - u32::from(parent as usize > leaf))
                .collect();
            let (mut low, mut actions) = (low.clone(), table.actions.clone());
            let layer = |&first: &usize| (first - usize::from(first > leaf)) as u64;
            parents.remove(leaf);
            actions.remove(leaf);
            low.remove(leaf);
            let layers: Vec<u64> = table.layers.iter().map(layer).collect();
            arrays.with(LOW, low).with(PARENTS, parents).with(ACTIONS, actions).with(LAYERS, layers)
        };
        refused(&without, "states");
        // As another board has it.
        let mut other = made("Puzzle", &serde_json::json!({"width": 2}));
        let error = Breadth::read(&mut *other, ToldBy::Key, table.arrays()).unwrap_err();
        assert!(error.to_string().contains("expected"), "{error}");
    }
}
