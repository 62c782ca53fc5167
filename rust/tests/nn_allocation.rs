//! A warm policy allocates nothing; counted by an allocator that exists in this test alone.

mod nn_reference;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use nn_reference::{random_rows, Reference};
use twisterl::nn::{CpuLevel, Policy, Scratch};
use twisterl::rng::Rng;

struct Counting;

thread_local! {
    // The test harness allocates too, on its own thread.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: hands every call on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A thread that is ending has no counter any more.
        let _ = ALLOCATIONS.try_with(|allocations| allocations.set(allocations.get() + 1));
        System.alloc(layout)
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        System.dealloc(pointer, layout)
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_warm_policy_allocates_nothing() {
    let mut reference = Reference::new(1, 81, 512, &[256], &[], 4);
    reference.obs_perms = vec![(0..81).rev().collect()];
    reference.act_perms = vec![vec![3, 2, 1, 0]];
    let policy = reference.policy(CpuLevel::detect());
    let mut scratch = Scratch::default();
    let mut counts = Vec::with_capacity(16);
    // 66 is the most that pass through the network at once.
    for num_rows in [66, 66, 100, 1, 3] {
        let rows = random_rows(&mut Rng::new(2), num_rows, 81, 9);
        let twists: Vec<i32> = (0..num_rows as i32).map(|row| row % 2 - 1).collect();
        let (mut logits, mut values) = (vec![0.0; 4 * num_rows], vec![0.0; num_rows]);
        let before = ALLOCATIONS.get();
        policy.forward_batch(&rows, Some(&twists), &mut scratch, &mut logits, &mut values).unwrap();
        counts.push(ALLOCATIONS.get() - before);
    }
    assert!(counts[0] > 0, "the first call fills the scratch: does the allocator count?");
    assert_eq!(counts[1..], [0; 4]);
}
