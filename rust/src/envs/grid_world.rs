//! GridWorld: an agent walks around walls to a random goal.

use super::grid::{symmetries, Cells};
use super::parameters::{Kind, Parameter, Parameters};
use super::scrambled::{entries, Rules, Scrambled};
use crate::error::{Error, Result};
use crate::rl::env::Twists;
use crate::rng::Rng;

const MOVES: [&str; 4] = ["left", "up", "right", "down"];

/// A walk on a grid. The goal is drawn anew for every episode, and so are the walls, each cell
/// with probability `wall_density`, unless they are listed. Features `agent`,
/// `cells + goal` and `2 * cells + wall` for every wall.
pub type GridWorld = Scrambled<Grid>;

/// The rules of [`GridWorld`].
pub struct Grid {
    width: usize,
    /// Where each move leads from each cell; the cell itself at the border.
    targets: Vec<[u8; 4]>,
    walls: Walls,
}

enum Walls {
    Drawn { density: f32 },
    Listed(Cells),
}

#[derive(Clone, Copy, PartialEq)]
pub struct Place {
    agent: u8,
    goal: u8,
    walls: Cells,
}

impl Grid {
    fn cells(&self) -> usize {
        self.targets.len()
    }

    /// Where `action` leads in `place`; the agent's own cell where it is impossible.
    #[inline]
    fn target(&self, place: &Place, action: usize) -> u8 {
        let to = self.targets[usize::from(place.agent)][action];
        if place.walls.contains(usize::from(to)) {
            place.agent
        } else {
            to
        }
    }

    /// Whether the goal can be reached.
    fn is_connected(&self, place: &Place) -> bool {
        let mut reached = place.walls;
        let (mut queue, mut len) = ([place.agent; 256], 1);
        reached.insert(usize::from(place.agent));
        let mut next = 0;
        while next < len {
            for to in self.targets[usize::from(queue[next])] {
                if !reached.contains(usize::from(to)) {
                    reached.insert(usize::from(to));
                    queue[len] = to;
                    len += 1;
                }
            }
            next += 1;
        }
        queue[..len].contains(&place.goal)
    }

    /// The `index`-th cell without a wall.
    fn free(&self, walls: &Cells, rng: &mut Rng) -> u8 {
        let free = || (0..self.cells()).filter(|&cell| !walls.contains(cell));
        let chosen = rng.below(free().count() as u32) as usize;
        free().nth(chosen).unwrap_or(0) as u8
    }
}

impl Rules for Grid {
    type State = Place;
    const NAME: &'static str = "GridWorld";
    const PARAMETERS: &'static [Parameter] = &[
        Parameter::integer("width", 2, 16, 5, "cells in a row"),
        Parameter::integer("height", 2, 16, 5, "rows"),
        Parameter::new(
            "wall_density",
            Kind::Number { min: 0.0, max: 0.5, default: 0.2 },
            "probability of a wall at each cell, drawn for every episode",
        ),
        Parameter::new("walls", Kind::Numbers, "their cells, in place of random ones"),
    ];

    fn new(parameters: &Parameters) -> Result<Self> {
        let (width, height) = (parameters.integer("width"), parameters.integer("height"));
        let target = |cell: usize| {
            let (x, y) = (cell % width, cell / width);
            let to = |possible: bool, to: usize| if possible { to as u8 } else { cell as u8 };
            [
                to(x > 0, cell.wrapping_sub(1)),
                to(y > 0, cell.wrapping_sub(width)),
                to(x + 1 < width, cell + 1),
                to(y + 1 < height, cell + width),
            ]
        };
        let targets: Vec<_> = (0..width * height).map(target).collect();
        let walls = match parameters.numbers("walls") {
            None => Walls::Drawn { density: parameters.number("wall_density") as f32 },
            Some(listed) => {
                let listed: Vec<i64> = listed.into_iter().map(|cell| cell as i64).collect();
                let walls = distinct("walls", &listed, targets.len())?;
                if listed.len() == targets.len() {
                    return Err(Error::invalid("walls", "a free cell", "walls everywhere"));
                }
                Walls::Listed(walls)
            }
        };
        Ok(Self { width, targets, walls })
    }

    fn action_names(&self) -> Vec<String> {
        MOVES.map(str::to_owned).to_vec()
    }
    #[inline]
    fn num_actions(&self) -> usize {
        MOVES.len()
    }
    fn obs_shape(&self) -> Vec<usize> {
        vec![3, self.cells()]
    }

    /// The agent at a random goal: any cell, then one number for each cell, a wall where it is
    /// below the density; or one of the cells without a listed wall.
    fn goal(&self, rng: &mut Rng) -> Place {
        match self.walls {
            Walls::Listed(walls) => {
                let goal = self.free(&walls, rng);
                Place { agent: goal, goal, walls }
            }
            Walls::Drawn { density } => {
                let goal = rng.below(self.cells() as u32) as u8;
                let mut walls = Cells::default();
                for cell in 0..self.cells() {
                    if rng.unit() < density && cell != usize::from(goal) {
                        walls.insert(cell);
                    }
                }
                Place { agent: goal, goal, walls }
            }
        }
    }
    #[inline]
    fn is_goal(&self, place: &Place) -> bool {
        place.agent == place.goal
    }
    #[inline]
    fn apply(&self, place: &mut Place, action: usize) {
        place.agent = self.target(place, action);
    }
    #[inline]
    fn masks(&self, place: &Place, masks: &mut [bool]) {
        for (action, mask) in masks.iter_mut().enumerate() {
            *mask = self.target(place, action) != place.agent;
        }
    }
    #[inline]
    fn observe(&self, place: &Place, indices: &mut Vec<i32>) {
        let cells = self.cells() as i32;
        indices.extend([i32::from(place.agent), cells + i32::from(place.goal)]);
        indices.extend(place.walls.iter().map(|wall| 2 * cells + wall as i32));
    }
    /// Goal and walls as at a goal, the agent at any free cell; all anew until there is a way.
    fn uniform(&self, rng: &mut Rng) -> Place {
        loop {
            let mut place = self.goal(rng);
            place.agent = self.free(&place.walls, rng);
            if self.is_connected(&place) {
                return place;
            }
        }
    }

    /// The cells of the agent, the goal, and the walls.
    fn numbers(&self, place: &Place) -> Vec<i64> {
        let walls = place.walls.iter().map(|wall| wall as i64);
        [place.agent.into(), place.goal.into()].into_iter().chain(walls).collect()
    }
    fn parse(&self, numbers: &[i64]) -> Result<Place> {
        let [agent, goal, walls @ ..] = numbers else {
            let got = format!("{} entries", numbers.len());
            return Err(Error::invalid("state", "the cells of agent, goal and walls", got));
        };
        let ends = [*agent, *goal];
        entries(&ends, 2, self.cells())?;
        let walls = distinct("state", walls, self.cells())?;
        let [agent, goal] = ends.map(|end| end as u8);
        if let Some(end) = [agent, goal].iter().find(|&&end| walls.contains(usize::from(end))) {
            let got = format!("a wall at cell {end}");
            return Err(Error::invalid("state", "agent and goal at free cells", got));
        }
        Ok(Place { agent, goal, walls })
    }
    fn check_solvable(&self, place: &Place) -> Result<()> {
        if self.is_connected(place) {
            return Ok(());
        }
        let got = format!("{:?}, where walls are between them", self.numbers(place));
        Err(Error::invalid("state", "a way from the agent to the goal", got))
    }
    /// `#` a wall, `A` the agent, `G` the goal, `*` the agent there.
    fn render(&self, place: &Place) -> String {
        let draw =
            |cell: usize| match (cell == usize::from(place.agent), cell == usize::from(place.goal))
            {
                (true, true) => "*",
                (true, false) => "A",
                (false, true) => "G",
                _ if place.walls.contains(cell) => "#",
                _ => ".",
            };
        let cells: Vec<&str> = (0..self.cells()).map(draw).collect();
        cells.chunks(self.width).map(|row| row.join(" ") + "\n").collect()
    }

    fn inverse_actions(&self) -> Option<Vec<usize>> {
        Some(vec![2, 3, 0, 1])
    }
    /// Up to 112 cells.
    fn key(&self, place: &Place) -> Option<u128> {
        let ends = u128::from(place.agent) << 8 | u128::from(place.goal);
        place.walls.key(self.cells(), 112).map(|walls| walls << 16 | ends)
    }
    /// The symmetries of the rectangle that keep listed walls.
    fn twists(&self) -> Twists {
        let cells = self.cells();
        let height = cells / self.width;
        let keeps = |map: &Vec<usize>| match self.walls {
            Walls::Drawn { .. } => true,
            Walls::Listed(walls) => walls.iter().all(|wall| walls.contains(map[wall])),
        };
        let features = |map: &[usize]| {
            (0..3 * cells).map(|index| index / cells * cells + map[index % cells]).collect()
        };
        // A move is known by where it leads from a cell that it leaves.
        let action = |map: &[usize], action: usize| {
            let leaves = |&cell: &usize| usize::from(self.targets[cell][action]) != cell;
            let from = (0..cells).find(leaves).expect("both sides are at least 2");
            let image = map[usize::from(self.targets[from][action])];
            self.targets[map[from]].iter().position(|&to| usize::from(to) == image)
        };
        let actions =
            |map: &[usize]| (0..MOVES.len()).map(|a| action(map, a)).collect::<Option<_>>();
        symmetries(self.width, height)
            .into_iter()
            .filter(keeps)
            .map(|map| (features(&map), actions(&map).expect("moves stay moves")))
            .unzip()
    }
}

/// `listed` as a set.
///
/// # Errors
/// If an entry is no cell or comes twice; the message calls the list `name`.
fn distinct(name: &str, listed: &[i64], cells: usize) -> Result<Cells> {
    let mut set = Cells::default();
    for &cell in listed {
        let index = usize::try_from(cell).ok().filter(|&index| index < cells);
        match index {
            Some(index) if !set.contains(index) => set.insert(index),
            _ => {
                let expected = format!("cells in 0..{cells}, each once");
                return Err(Error::invalid(name, expected, cell));
            }
        }
    }
    Ok(set)
}
