//! Memory for one batch at a time.
//!
//! A batch is some hundred small blocks, most of them strings of the host's, and none of them outlives it. So blocks
//! are handed out side by side, and their room comes back when the last of them is released; that of the topmost
//! block at once. What a general allocator did for each of them was two fifths of a sender's instructions.

use core::alloc::Layout;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Addresses from `base` to `end`, of which those below `top` are handed out.
///
/// One thread uses it; it is made of atomics because a static must be.
#[derive(Debug)]
pub(crate) struct Arena {
    base: AtomicUsize,
    top: AtomicUsize,
    end: AtomicUsize,
    blocks: AtomicUsize,
}

impl Arena {
    /// An arena without any memory.
    pub(crate) const fn new() -> Self {
        Self {
            base: AtomicUsize::new(0),
            top: AtomicUsize::new(0),
            end: AtomicUsize::new(0),
            blocks: AtomicUsize::new(0),
        }
    }

    /// Gives it the memory from `base` on, as long as it has none.
    pub(crate) fn begin(&self, base: usize) {
        if self.end.load(Relaxed) == 0 {
            self.base.store(base, Relaxed);
            self.top.store(base, Relaxed);
        }
    }

    /// Moves the end of its memory up to `end`.
    pub(crate) fn extend(&self, end: usize) {
        self.end.store(end, Relaxed);
    }

    /// The end of a block that would be allocated now, whether or not there is room. `None` where no address is high
    /// enough.
    pub(crate) fn wants(&self, layout: Layout) -> Option<usize> {
        self.next(layout).map(|(_, end)| end)
    }

    /// Hands out a block. `None` where there is no room for it.
    pub(crate) fn allocate(&self, layout: Layout) -> Option<usize> {
        let (start, end) = self.next(layout)?;
        if end > self.end.load(Relaxed) {
            return None;
        }
        self.top.store(end, Relaxed);
        self.blocks.store(self.blocks.load(Relaxed) + 1, Relaxed);
        Some(start)
    }

    /// Takes back a block that it handed out.
    pub(crate) fn release(&self, block: usize, layout: Layout) {
        let left = self.blocks.load(Relaxed) - 1;
        self.blocks.store(left, Relaxed);
        if left == 0 {
            self.top.store(self.base.load(Relaxed), Relaxed);
        } else if self.is_topmost(block, layout) {
            self.top.store(block, Relaxed);
        }
    }

    /// Makes a block that it handed out `size` bytes long. `false` where it cannot stay in its place: it is as it was.
    pub(crate) fn resize(&self, block: usize, layout: Layout, size: usize) -> bool {
        if !self.is_topmost(block, layout) {
            return size <= layout.size();
        }
        let end = block.checked_add(size);
        let Some(end) = end.filter(|end| *end <= self.end.load(Relaxed)) else {
            return false;
        };
        self.top.store(end, Relaxed);
        true
    }

    fn next(&self, layout: Layout) -> Option<(usize, usize)> {
        let below = layout.align() - 1;
        let start = self.top.load(Relaxed).checked_add(below)? & !below;
        Some((start, start.checked_add(layout.size())?))
    }

    fn is_topmost(&self, block: usize, layout: Layout) -> bool {
        block + layout.size() == self.top.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BASE: usize = 1000;
    const END: usize = 9000;

    fn arena() -> Arena {
        let arena = Arena::new();
        arena.begin(BASE);
        arena.extend(END);
        arena
    }

    fn bytes(size: usize) -> Layout {
        layout(size, 1)
    }

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap_or(Layout::new::<u8>())
    }

    #[derive(Clone, Debug)]
    enum Step {
        Allocate(Layout),
        Release(prop::sample::Index),
        Resize(prop::sample::Index, usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let any_layout = (1_usize..400, 0_u32..5).prop_map(|(size, bits)| layout(size, 1 << bits));
        let step = prop_oneof![
            3 => any_layout.prop_map(Step::Allocate),
            2 => any::<prop::sample::Index>().prop_map(Step::Release),
            1 => (any::<prop::sample::Index>(), 1_usize..400).prop_map(|(of, size)| Step::Resize(of, size)),
        ];
        prop::collection::vec(step, 1..200)
    }

    proptest! {
        #[test]
        fn blocks_lie_apart_and_aligned_in_its_memory_which_comes_back_whole(steps in steps()) {
            let arena = arena();
            let mut blocks: Vec<(usize, Layout)> = Vec::new();
            for step in steps {
                match step {
                    Step::Allocate(layout) => {
                        blocks.extend(arena.allocate(layout).map(|block| (block, layout)));
                    }
                    Step::Release(_) | Step::Resize(..) if blocks.is_empty() => {}
                    Step::Release(which) => {
                        let (block, layout) = blocks.swap_remove(which.index(blocks.len()));
                        arena.release(block, layout);
                    }
                    Step::Resize(which, size) => {
                        let which = which.index(blocks.len());
                        let (block, old) = &mut blocks[which];
                        if arena.resize(*block, *old, size) {
                            *old = layout(size, old.align());
                        }
                    }
                }
                let mut ends_before = BASE;
                blocks.sort_by_key(|(block, _)| *block);
                for (block, layout) in &blocks {
                    prop_assert_eq!(block % layout.align(), 0);
                    prop_assert!(*block >= ends_before);
                    ends_before = block + layout.size();
                }
                prop_assert!(ends_before <= END);
            }
            for (block, layout) in blocks {
                arena.release(block, layout);
            }
            prop_assert_eq!(arena.allocate(bytes(END - BASE)), Some(BASE));
        }
    }

    #[test]
    fn the_topmost_block_gives_its_room_back_and_grows_in_its_place() {
        let arena = arena();
        let below = arena.allocate(bytes(10));
        assert_eq!(below, Some(BASE));
        assert_eq!(arena.allocate(bytes(20)), Some(BASE + 10));
        arena.release(BASE + 10, bytes(20));
        assert_eq!(arena.allocate(bytes(30)), Some(BASE + 10));
        assert!(arena.resize(BASE + 10, bytes(30), 300));
        assert_eq!(arena.allocate(bytes(1)), Some(BASE + 310));
    }

    #[test]
    fn a_block_between_others_stays_where_it_shrinks_only() {
        let arena = arena();
        arena.allocate(bytes(10));
        arena.allocate(bytes(10));
        assert!(!arena.resize(BASE, bytes(10), 11));
        assert!(arena.resize(BASE, bytes(10), 9));
    }

    #[test]
    fn what_does_not_fit_is_not_handed_out_until_there_is_more_memory() {
        let arena = arena();
        assert_eq!(arena.allocate(bytes(END - BASE + 1)), None);
        assert_eq!(arena.wants(bytes(END - BASE + 1)), Some(END + 1));
        arena.begin(BASE + 1);
        arena.extend(END + 1);
        assert_eq!(arena.allocate(bytes(END - BASE + 1)), Some(BASE));
        assert_eq!(arena.allocate(bytes(1)), None);
        assert!(!arena.resize(BASE, bytes(END - BASE + 1), END - BASE + 2));
    }
}
