//! An allocator that counts what each thread asks of it: what takes no memory is shown by it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

#[derive(Clone, Copy, Default)]
struct Asked {
    times: usize,
    /// Bytes held now and the most at any time, since the last reset.
    held: isize,
    most: isize,
}

thread_local! {
    // The test harness allocates too, on its own threads.
    static ASKED: Cell<Asked> = const { Cell::new(Asked { times: 0, held: 0, most: 0 }) };
}

/// The system's allocator, counted.
struct Counting;

fn count(times: usize, bytes: isize) {
    // A thread that is ending has no counter any more.
    let _ = ASKED.try_with(|asked| {
        let Asked { times: before, held, most } = asked.get();
        let held = held + bytes;
        asked.set(Asked { times: before + times, held, most: most.max(held) });
    });
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size() as isize);
        System.alloc(layout)
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size() as isize);
        System.alloc_zeroed(layout)
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // For a time both may be there.
        count(1, size as isize);
        count(0, -(layout.size() as isize));
        System.realloc(pointer, layout, size)
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, -(layout.size() as isize));
        System.dealloc(pointer, layout);
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// How often this thread allocates in `work`.
pub fn allocations<T>(work: impl FnOnce() -> T) -> usize {
    let before = ASKED.get().times;
    std::hint::black_box(work());
    ASKED.get().times - before
}

/// What `work` gives, and the most bytes that this thread held at any time of it beyond those
/// that it held before.
pub fn most_held<T>(work: impl FnOnce() -> T) -> (T, usize) {
    ASKED.set(Asked { times: ASKED.get().times, ..Asked::default() });
    let result = work();
    (result, ASKED.get().most as usize)
}

#[test]
fn the_counter_counts() {
    assert!(allocations(|| vec![1u8; 100]) >= 1);
    assert_eq!(allocations(|| 1 + 1), 0);
    assert!((1 << 20..1 << 21).contains(&most_held(|| drop(vec![1u8; 1 << 20])).1));
}
