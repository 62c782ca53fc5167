//! Steps of boards whose actions a policy chooses.

use twisterl::envs::puzzle::Puzzle;
use twisterl::nn::{masked_softmax, Policy, Scratch};
use twisterl::rl::env::Env;
use twisterl::rng::Rng;
use twisterl::spaces::Rows;
use twisterl::Result;

use crate::environment::NUM_ACTIONS;
use crate::figure::{time, Figure, Unit};
use crate::options::Options;

/// Combined steps whose actions are drawn from the policy: one board, then a batch of boards.
pub fn with_policy(options: &Options, env: &Puzzle, policy: &dyn Policy) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for &size in &options.batches {
        let mut boards = Boards::new(env, size)?;
        let name = format!("combined step with policy, batch {size}");
        figures.extend(time(name, Unit::NanosecondsEach, options, |repeats| {
            for _ in 0..repeats {
                boards.step(policy)?;
            }
            Ok(repeats * size)
        })?);
    }
    Ok(figures)
}

struct Boards {
    boards: Vec<Puzzle>,
    rows: Rows,
    masks: Vec<[bool; NUM_ACTIONS]>,
    logits: Vec<f32>,
    values: Vec<f32>,
    scratch: Scratch,
    rng: Rng,
}

impl Boards {
    fn new(env: &Puzzle, size: usize) -> Result<Self> {
        let mut rng = Rng::new(2);
        let mut boards = vec![env.clone(); size];
        for board in &mut boards {
            board.try_reset(&mut rng)?;
        }
        Ok(Self {
            boards,
            rows: Rows::default(),
            masks: vec![[false; NUM_ACTIONS]; size],
            logits: vec![0.0; size * NUM_ACTIONS],
            values: vec![0.0; size],
            scratch: Scratch::default(),
            rng,
        })
    }

    fn step(&mut self, policy: &dyn Policy) -> Result<()> {
        self.rows.clear();
        for (board, masks) in self.boards.iter().zip(&mut self.masks) {
            self.rows.push_with(|indices| board.try_observe(indices))?;
            board.try_masks(masks)?;
        }
        let Self { rows, scratch, logits, values, .. } = self;
        policy.forward_batch(rows, None, scratch, logits, values)?;
        let outputs = self.logits.chunks_exact(NUM_ACTIONS).zip(&self.masks);
        for (board, (logits, masks)) in self.boards.iter_mut().zip(outputs) {
            let mut probs = [0.0; NUM_ACTIONS];
            masked_softmax(logits, masks, &mut probs)?;
            board.try_step(sample(&probs, self.rng.unit()))?;
            if board.try_status()?.is_final {
                board.try_reset(&mut self.rng)?;
            }
        }
        Ok(())
    }
}

fn sample(probs: &[f32], mut left: f32) -> usize {
    let mut last = 0;
    for (action, &prob) in probs.iter().enumerate().filter(|(_, &prob)| prob > 0.0) {
        last = action;
        if left < prob {
            break;
        }
        left -= prob;
    }
    last
}
