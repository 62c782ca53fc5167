//! Rubik's 2x2x2 cube with one corner held: turns of the three faces that do not touch it.

use super::parameters::{Kind, Parameter, Parameters};
use super::scrambled::{each_once, entries, packed, shuffle, Rules, Scrambled};
use crate::error::{Error, Result};
use crate::rl::env::Twists;
use crate::rng::Rng;

/// Corners that move; the one at the back, left and below stays.
const CORNERS: usize = 7;
/// Cubie `k` in orientation `o` is the value `3 * k + o`.
const VALUES: usize = 3 * CORNERS;
/// Faces by the axis they turn about: x to the right, y up, z to the front.
const FACES: [(&str, usize); 3] = [("U", 1), ("R", 0), ("F", 2)];

/// The 2x2x2 cube: 3,674,160 states. Actions turn U, R or F clockwise (`U`), half (`U2`) or
/// counterclockwise (`U'`); half turns only with metric `half`. Feature
/// `21 * position + 3 * cubie + orientation` for each of seven positions.
pub type Cube2 = Scrambled<Turns>;

/// The rules of [`Cube2`].
///
/// Bit `axis` of a corner's number is set if it lies on the negative side of that axis: corner 0
/// is right, up and front, corner 7 the one that stays. A corner's orientation is where the
/// sticker of its cubie's y side is, counted clockwise from the corner's own y side.
pub struct Turns {
    actions: Vec<Action>,
}

struct Action {
    axis: usize,
    /// Clockwise quarter turns.
    quarters: usize,
    /// Whose cubie each position gets, and how far that one is twisted.
    moves: [(u8, u8); CORNERS],
}

/// The value at each position.
type Corners = [u8; CORNERS];

fn solved() -> Corners {
    std::array::from_fn(|corner| 3 * corner as u8)
}

#[inline]
fn twist(value: u8, by: u8) -> u8 {
    value - value % 3 + (value % 3 + by) % 3
}

/// The sides of `corner` in clockwise order, from its y side on.
fn clockwise(corner: usize) -> [usize; 3] {
    if corner.count_ones().is_multiple_of(2) {
        [1, 0, 2]
    } else {
        [1, 2, 0]
    }
}

fn place_of(side: usize, corner: usize) -> usize {
    clockwise(corner).iter().position(|&other| other == side).expect("every corner has all sides")
}

/// A clockwise quarter turn about `axis`, on positions. With the next two axes `i` and `j` it
/// takes coordinate `j` to `i` and `i` to minus `j`.
fn quarter(axis: usize, corners: &Corners) -> Corners {
    let (i, j) = ((axis + 1) % 3, (axis + 2) % 3);
    let mut turned = *corners;
    for from in (0..CORNERS).filter(|corner| corner >> axis & 1 == 0) {
        let to = (from >> j & 1) << i | (1 - (from >> i & 1)) << j;
        let image_of_y = match 1 {
            side if side == i => j,
            side if side == j => i,
            side => side,
        };
        let by = place_of(image_of_y, to);
        turned[to] = twist(corners[from], by as u8);
    }
    turned
}

impl Action {
    fn new(axis: usize, quarters: usize) -> Self {
        let turned = (0..quarters).fold(solved(), |corners, _| quarter(axis, &corners));
        Self { axis, quarters, moves: turned.map(|value| (value / 3, value % 3)) }
    }
}

impl Turns {
    /// What the permutation of axes `axes` does to features and actions. It keeps the corner that
    /// stays; an odd one is a mirror image, which turns clockwise into counterclockwise.
    fn symmetry(&self, axes: [usize; 3]) -> (Vec<usize>, Vec<usize>) {
        let corner = |corner: usize| (0..3).map(|axis| (corner >> axis & 1) << axes[axis]).sum();
        let source = axes.iter().position(|&axis| axis == 1).expect("a permutation");
        let feature = |feature: usize| {
            let (position, cubie, orientation) =
                (feature / VALUES, feature % VALUES / 3, feature % 3);
            // The sticker that becomes the y side of the image of this cubie.
            let place = (place_of(source, cubie) + orientation) % 3;
            let side = axes[clockwise(position)[place]];
            let (position, cubie): (usize, usize) = (corner(position), corner(cubie));
            VALUES * position + 3 * cubie + place_of(side, position)
        };
        let is_mirror = axes != [0, 1, 2] && axes != [1, 2, 0] && axes != [2, 0, 1];
        let action = |action: &Action| {
            let quarters = if is_mirror { 4 - action.quarters } else { action.quarters };
            let image = (axes[action.axis], quarters);
            self.actions.iter().position(|other| (other.axis, other.quarters) == image)
        };
        let actions = self.actions.iter().map(action).collect::<Option<_>>();
        ((0..CORNERS * VALUES).map(feature).collect(), actions.expect("every turn has an image"))
    }
}

impl Rules for Turns {
    type State = Corners;
    const NAME: &'static str = "Cube2";
    const PARAMETERS: &'static [Parameter] = &[Parameter::new(
        "metric",
        Kind::Choice { names: &["quarter", "half"], default: "quarter" },
        "whether a half turn is one action too",
    )];

    fn new(parameters: &Parameters) -> Result<Self> {
        let turns: &[usize] = match parameters.choice("metric") {
            "half" => &[1, 2, 3],
            _ => &[1, 3],
        };
        let face = |(_, axis): (&str, usize)| turns.iter().map(move |&q| Action::new(axis, q));
        Ok(Self { actions: FACES.into_iter().flat_map(face).collect() })
    }

    fn action_names(&self) -> Vec<String> {
        let face =
            |axis| FACES.iter().find(|(_, other)| *other == axis).map_or("", |(name, _)| name);
        let name =
            |action: &Action| face(action.axis).to_owned() + ["", "2", "'"][action.quarters - 1];
        self.actions.iter().map(name).collect()
    }
    #[inline]
    fn num_actions(&self) -> usize {
        self.actions.len()
    }
    fn obs_shape(&self) -> Vec<usize> {
        vec![CORNERS, VALUES]
    }

    fn goal(&self, _: &mut Rng) -> Corners {
        solved()
    }
    #[inline]
    fn is_goal(&self, corners: &Corners) -> bool {
        *corners == solved()
    }
    #[inline]
    fn apply(&self, corners: &mut Corners, action: usize) {
        let before = *corners;
        for (position, &(from, by)) in self.actions[action].moves.iter().enumerate() {
            corners[position] = twist(before[usize::from(from)], by);
        }
    }
    #[inline]
    fn observe(&self, corners: &Corners, indices: &mut Vec<i32>) {
        let feature =
            |(position, &value): (usize, &u8)| (VALUES * position) as i32 + i32::from(value);
        indices.extend(corners.iter().enumerate().map(feature));
    }
    /// Cubies shuffle, then six orientations; the last makes the sum a multiple of three.
    fn uniform(&self, rng: &mut Rng) -> Corners {
        let mut cubies: Corners = std::array::from_fn(|cubie| cubie as u8);
        shuffle(&mut cubies, rng);
        let mut sum = 0;
        let mut corners = cubies.map(|cubie| 3 * cubie);
        for corner in &mut corners[..CORNERS - 1] {
            let orientation = rng.below(3) as u8;
            sum += orientation;
            *corner += orientation;
        }
        corners[CORNERS - 1] += (3 - sum % 3) % 3;
        corners
    }

    /// The cubie at each position, then its orientation.
    fn numbers(&self, corners: &Corners) -> Vec<i64> {
        let part = |part: fn(u8) -> u8| corners.iter().map(move |&value| part(value).into());
        part(|value| value / 3).chain(part(|value| value % 3)).collect()
    }
    fn parse(&self, numbers: &[i64]) -> Result<Corners> {
        let numbers = entries(numbers, 2 * CORNERS, CORNERS)?;
        let cubies = each_once(&numbers[..CORNERS], CORNERS)?;
        let orientations = entries(&numbers[CORNERS..], CORNERS, 3)?;
        Ok(std::array::from_fn(|position| (3 * cubies[position] + orientations[position]) as u8))
    }
    fn check_solvable(&self, corners: &Corners) -> Result<()> {
        let sum: u32 = corners.iter().map(|&value| u32::from(value % 3)).sum();
        if sum.is_multiple_of(3) {
            return Ok(());
        }
        let got = format!("{:?}, with a corner twisted", self.numbers(corners));
        Err(Error::invalid("state", "orientations whose sum is a multiple of 3", got))
    }
    /// The unfolded cube: up, then left, front, right and back, then down.
    fn render(&self, corners: &Corners) -> String {
        const COLOURS: [[char; 2]; 3] = [['R', 'L'], ['U', 'D'], ['F', 'B']];
        let sticker = |position: usize, side: usize| {
            let value = corners.get(position).map_or(3 * position, |&value| usize::from(value));
            let place = place_of(side, position) + 3 - value % 3;
            let side = clockwise(value / 3)[place % 3];
            COLOURS[side][((value / 3) >> side) & 1]
        };
        let row = |positions: &[usize], side: usize| {
            let stickers = positions.iter().map(|&position| sticker(position, side).to_string());
            stickers.collect::<Vec<_>>().join(" ")
        };
        let middle = |[left, front, right, back]: [[usize; 2]; 4]| {
            [row(&left, 0), row(&front, 2), row(&right, 0), row(&back, 2)].join(" ") + "\n"
        };
        let outer = |positions: [usize; 2]| format!("    {}\n", row(&positions, 1));
        [
            outer([5, 4]),
            outer([1, 0]),
            middle([[5, 1], [1, 0], [0, 4], [4, 5]]),
            middle([[7, 3], [3, 2], [2, 6], [6, 7]]),
            outer([3, 2]),
            outer([7, 6]),
        ]
        .concat()
    }

    fn inverse_actions(&self) -> Option<Vec<usize>> {
        let inverse = |action: &Action| (action.axis, 4 - action.quarters);
        let find = |action: &Action| {
            let wanted = inverse(action);
            self.actions.iter().position(|other| (other.axis, other.quarters) == wanted)
        };
        self.actions.iter().map(find).collect()
    }
    fn key(&self, corners: &Corners) -> Option<u128> {
        packed(corners, 5)
    }
    /// Turns of the whole cube about the corner that stays, and mirror images.
    fn twists(&self) -> Twists {
        [[0, 1, 2], [1, 2, 0], [2, 0, 1], [1, 0, 2], [0, 2, 1], [2, 1, 0]]
            .into_iter()
            .map(|axes| self.symmetry(axes))
            .unzip()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;

    /// As a cube in the hand: `R` brings the front colour up, and the one below to the front.
    #[test]
    fn a_turn_is_drawn_as_it_looks() {
        let turns = Turns::new(&Parameters::new(Turns::PARAMETERS, &Map::new()).unwrap()).unwrap();
        let mut corners = solved();
        assert_eq!(turns.action_names()[2], "R");
        turns.apply(&mut corners, 2);
        let drawn =
            ["    U F\n    U F\n", "L L F D R R U B\nL L F D R R U B\n", "    D B\n    D B\n"];
        assert_eq!(turns.render(&corners), drawn.concat());
    }
}
