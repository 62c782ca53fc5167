//! Pauli networks: rotations about Paulis and a Clifford after them, by two-qubit gates.

use super::clifford::{Pauli, Planes, Rotations, MOST_QUBITS};
use super::coupling;
use super::parameters::{Parameter, Parameters};
use super::scrambled::{entries, packed, Rules, Scrambled};
use crate::error::Result;
use crate::rl::env::Twists;
use crate::rng::Rng;

const MOST_ROTATIONS: usize = 32;

/// Synthesis of circuits of rotations `exp(-i t/2 P)` about Paulis P and a Clifford after them, up
/// to Paulis, where only two-qubit gates cost. The actions are those of [`Clifford`](super::clifford):
/// each takes the Paulis of the rotations along. A rotation about a Pauli of one qubit is done at
/// once, if it commutes with all that are left before it. Solved where none is left and the
/// Clifford is one of single qubits.
///
/// What is done is not undone, so there are no inverse actions; a step
/// [away](crate::rl::env::Env::try_step_away) from the goal may bring a rotation back (de Brugière
/// and Martiel, "Faster and shorter synthesis of Hamiltonian simulation circuits"; Dubal et al.,
/// "Pauli network circuit synthesis with reinforcement learning").
pub type PauliNetwork = Scrambled<Network>;

/// The rules of [`PauliNetwork`].
pub struct Network {
    clifford: Rotations,
    num_rotations: usize,
}

/// The Clifford as its own environment keeps it, and the rotations that are left, the first one
/// first; the identity where there is none.
#[derive(Clone, Copy, PartialEq)]
pub struct State {
    planes: Planes,
    rotations: [Pauli; MOST_ROTATIONS],
}

impl Network {
    fn n(&self) -> usize {
        self.clifford.n()
    }

    /// Whether `pauli` acts on one qubit.
    #[inline]
    fn is_single(&self, pauli: Pauli) -> bool {
        let n = self.n();
        ((pauli | pauli >> n) & ((1 << n) - 1)).is_power_of_two()
    }

    /// Takes out the rotations that can be done, and what is none.
    #[inline]
    fn finish(&self, rotations: &mut [Pauli; MOST_ROTATIONS]) {
        let mut left = 0;
        for at in 0..self.num_rotations {
            let pauli = rotations[at];
            let is_done = pauli == 0
                || self.is_single(pauli)
                    && !rotations[..left].iter().any(|&p| self.clifford.anticommutes(p, pauli));
            if !is_done {
                rotations[left] = pauli;
                left += 1;
            }
        }
        rotations[left..].fill(0);
    }

    fn num_planes_features(&self) -> usize {
        self.n() * self.clifford.num_features()
    }
}

impl Rules for Network {
    type State = State;
    const NAME: &'static str = "PauliNetwork";
    const PARAMETERS: &'static [Parameter] = &{
        let [num_qubits, topology, edges] = coupling::parameters(MOST_QUBITS as u32, "qubits");
        let about = "the most that a state has";
        let most = Parameter::integer("num_rotations", 1, MOST_ROTATIONS as u32, 4, about);
        [num_qubits, topology, edges, most]
    };

    fn new(parameters: &Parameters) -> Result<Self> {
        let clifford = Rotations::new(parameters)?;
        Ok(Self { clifford, num_rotations: parameters.integer("num_rotations") })
    }

    fn action_names(&self) -> Vec<String> {
        self.clifford.action_names()
    }
    #[inline]
    fn num_actions(&self) -> usize {
        self.clifford.num_actions()
    }
    fn obs_shape(&self) -> Vec<usize> {
        vec![self.num_planes_features() + 3 * self.n() * self.num_rotations]
    }

    fn goal(&self, rng: &mut Rng) -> State {
        State { planes: self.clifford.goal(rng), rotations: [0; MOST_ROTATIONS] }
    }
    #[inline]
    fn is_goal(&self, state: &State) -> bool {
        state.rotations[0] == 0 && self.clifford.is_goal(&state.planes)
    }
    #[inline]
    fn apply(&self, state: &mut State, action: usize) {
        self.clifford.apply(&mut state.planes, action);
        for pauli in &mut state.rotations[..self.num_rotations] {
            *pauli = self.clifford.turned(*pauli, action);
        }
        self.finish(&mut state.rotations);
    }
    /// Where there is room, with even odds, first brings back a rotation about one of the two Paulis
    /// of an end of the edge that the action turns: it does it.
    fn apply_away(&self, state: &mut State, action: usize, rng: &mut Rng) {
        if state.rotations[self.num_rotations - 1] == 0 && rng.below(2) == 1 {
            let [end, which] = [2, 2].map(|bound| rng.below(bound) as usize);
            let pauli = self.clifford.turned_at(action, end)[which];
            state.rotations[..self.num_rotations].rotate_right(1);
            state.rotations[0] = pauli;
        }
        self.apply(state, action);
    }
    /// All but those that change nothing.
    #[inline]
    fn masks(&self, state: &State, masks: &mut [bool]) {
        self.clifford.masks(&state.planes, masks);
        let rotations = state.rotations[..self.num_rotations].iter().filter(|&&pauli| pauli != 0);
        for (action, mask) in masks.iter_mut().enumerate().filter(|(_, mask)| !**mask) {
            let turns = |&pauli: &Pauli| self.clifford.turned(pauli, action) != pauli;
            *mask = rotations.clone().any(turns);
        }
    }
    #[inline]
    fn observe(&self, state: &State, indices: &mut Vec<i32>) {
        self.clifford.observe(&state.planes, indices);
        let (n, mut first) = (self.n(), self.num_planes_features() as i32);
        for &pauli in &state.rotations[..self.num_rotations] {
            for qubit in 0..n {
                let letter = self.clifford.letter(pauli, qubit);
                indices.extend((letter != 0).then(|| first + [0, 2, 0, 1][letter]));
                first += 3;
            }
        }
    }
    /// A Clifford, then the low bits of a word for each rotation, drawn anew while they are 0.
    fn uniform(&self, rng: &mut Rng) -> State {
        let mut state = State { planes: self.clifford.uniform(rng), ..self.goal(rng) };
        for pauli in &mut state.rotations[..self.num_rotations] {
            while *pauli == 0 {
                *pauli = (rng.next_u64() & ((1 << (2 * self.n())) - 1)) as Pauli;
            }
        }
        self.finish(&mut state.rotations);
        state
    }

    fn numbers(&self, state: &State) -> Vec<i64> {
        let row = |pauli: Pauli| (0..2 * self.n()).map(move |bit| i64::from(pauli >> bit & 1));
        let rotations = state.rotations[..self.num_rotations].iter();
        [self.clifford.numbers(&state.planes), rotations.flat_map(|&p| row(p)).collect()].concat()
    }
    fn parse(&self, numbers: &[i64]) -> Result<State> {
        let n = self.n();
        let numbers = entries(numbers, 4 * n * n + 2 * n * self.num_rotations, 2)?;
        let (planes, rows) = numbers.split_at(4 * n * n);
        let mut rotations = [0; MOST_ROTATIONS];
        for (pauli, row) in rotations.iter_mut().zip(rows.chunks(2 * n)) {
            *pauli = row.iter().rev().fold(0, |pauli, &bit| pauli << 1 | bit as Pauli);
        }
        self.finish(&mut rotations);
        Ok(State { planes: self.clifford.parse(planes)?, rotations })
    }
    fn check_solvable(&self, state: &State) -> Result<()> {
        self.clifford.check_solvable(&state.planes)
    }
    /// The Clifford, then a rotation a line.
    fn render(&self, state: &State) -> String {
        let left = state.rotations.iter().take_while(|&&pauli| pauli != 0);
        let rotations = left.map(|&pauli| self.clifford.text(pauli) + "\n");
        self.clifford.render(&state.planes) + &rotations.collect::<String>()
    }

    fn inverse_actions(&self) -> Option<Vec<usize>> {
        None
    }
    /// As of the Clifford, with all rotations: up to 4 of 5 qubits.
    fn key(&self, state: &State) -> Option<u128> {
        let n = self.n();
        let bits = 2 * n as u32;
        let planes = packed(state.planes[..n - 1].as_flattened(), bits)?;
        let rotations = packed(&state.rotations[..self.num_rotations], bits)?;
        let width = bits * self.num_rotations as u32;
        let room = (2 * n as u32 - 2) * bits + width <= u128::BITS;
        room.then(|| planes << width | rotations)
    }
    /// Those of the Clifford; the rotations keep their order.
    fn twists(&self) -> Twists {
        let (planes, actions) = self.clifford.twists();
        let first = self.num_planes_features();
        let (n, relabelled) = (self.n(), self.clifford.relabellings());
        let extend = |(mut to, (map, order)): (Vec<usize>, (Vec<usize>, [usize; 3]))| {
            for at in 0..3 * n * self.num_rotations {
                let (rotation, qubit, letter) = (at / (3 * n), at / 3 % n, at % 3);
                to.push(first + 3 * (n * rotation + map[qubit]) + order[letter]);
            }
            to
        };
        (planes.into_iter().zip(relabelled).map(extend).collect(), actions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Network {
        let given = serde_json::json!({"num_qubits": 4, "topology": "ring", "num_rotations": 5});
        let parameters = Parameters::new(Network::PARAMETERS, given.as_object().unwrap()).unwrap();
        Network::new(&parameters).unwrap()
    }

    #[test]
    fn a_step_away_is_the_way_back() {
        let (rules, rng) = (rules(), &mut Rng::new(1));
        let mut brought = 0;
        for _ in 0..50 {
            let mut state = rules.goal(rng);
            for _ in 0..12 {
                let (before, action) = (state, rng.below(rules.num_actions() as u32) as usize);
                rules.apply_away(&mut state, action, rng);
                let mut back = state;
                rules.apply(&mut back, action);
                // Nothing is left after the way back that was not there before.
                assert!(back.planes == before.planes);
                let was = |pauli| before.rotations.contains(pauli);
                assert!(back.rotations.iter().all(was));
                brought += usize::from(state.rotations[0] != 0 && before.rotations[0] == 0);
            }
        }
        assert!(brought > 20, "{brought}");
    }

    /// Walks from the goal, as other tests of twists, meet no rotations.
    #[test]
    fn twists_relabel_rotations() {
        let (rules, rng) = (rules(), &mut Rng::new(2));
        let n = rules.n();
        let (obs_perms, act_perms) = rules.twists();
        let twists = rules.clifford.relabellings().zip(obs_perms).zip(act_perms);
        for (((map, order), obs_perm), act_perm) in twists {
            let relabelled = |pauli: Pauli| {
                let mut image = 0;
                for (q, &place) in map.iter().enumerate().take(n) {
                    let letter = rules.clifford.letter(pauli, q);
                    if letter != 0 {
                        image |= rules.clifford.at(place, order[[0, 2, 0, 1][letter]]);
                    }
                }
                image
            };
            let mut state = rules.uniform(rng);
            let mut mirror = state;
            mirror.rotations = state.rotations.map(relabelled);
            for (q, &place) in map.iter().enumerate().take(n) {
                let [a, b] = state.planes[q].map(relabelled);
                mirror.planes[place] = super::super::clifford::plane(a, b);
            }
            for _ in 0..3 {
                let seen = |state: &State| {
                    let mut features = Vec::new();
                    rules.observe(state, &mut features);
                    features
                };
                let image = |k: &i32| obs_perm[*k as usize] as i32;
                let mut wanted: Vec<i32> = seen(&state).iter().map(image).collect();
                let mut got = seen(&mirror);
                wanted.sort_unstable();
                got.sort_unstable();
                assert_eq!(got, wanted);
                let action = rng.below(rules.num_actions() as u32) as usize;
                rules.apply(&mut state, action);
                rules.apply(&mut mirror, act_perm[action]);
            }
        }
    }
}
