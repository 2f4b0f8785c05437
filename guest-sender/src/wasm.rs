//! What the standard library would bring along.

use core::alloc::{GlobalAlloc, Layout};
use core::arch::wasm32;
use core::panic::PanicInfo;
use core::ptr;

use crate::arena::Arena;

/// The size of a page of memory, in bytes, and the index of the only memory: WebAssembly's.
const PAGE: usize = 64 * 1024;
const MEMORY: u32 = 0;

#[global_allocator]
static HEAP: Heap = Heap(Arena::new());

/// The memory above what the linker placed, and as much more as the host grants.
struct Heap(Arena);

unsafe extern "C" {
    /// Where the linker's part of the memory ends. Its address is what it says.
    static __heap_base: u8;
}

impl Heap {
    /// Makes room for such a block, if the host grants it.
    #[cold]
    fn grow(&self, layout: Layout) {
        self.0.begin((&raw const __heap_base).addr());
        let has = wasm32::memory_size(MEMORY) * PAGE;
        let Some(wants) = self.0.wants(layout) else {
            return;
        };
        let pages = wants.saturating_sub(has).div_ceil(PAGE);
        if pages == 0 || wasm32::memory_grow(MEMORY, pages) != usize::MAX {
            self.0.extend(has + pages * PAGE);
        }
    }
}

// SAFETY: the arena hands out blocks that are aligned and lie apart from each other, above what the linker placed and
// below the end of the memory, which never shrinks; nobody else takes memory there. It hands a block's addresses out
// again only after that block was released.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let mut block = self.0.allocate(layout);
        if block.is_none() {
            self.grow(layout);
            block = self.0.allocate(layout);
        }
        block.map_or(ptr::null_mut(), ptr::with_exposed_provenance_mut)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        self.0.release(block.addr(), layout);
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if self.0.resize(block.addr(), layout, size) {
            return block;
        }
        // SAFETY: the caller guarantees that `size` is a valid one for this alignment, and that the block is as long
        // as its layout says; the new one is longer, or it would have stayed in its place.
        unsafe {
            let moved = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !moved.is_null() {
                ptr::copy_nonoverlapping(block, moved, layout.size());
                self.dealloc(block, layout);
            }
            moved
        }
    }
}

/// Where the host puts what it hands over: the canonical ABI's `realloc`, which wit-bindgen would bring as a function
/// that calls a function that calls the allocator, some three hundred times a batch.
///
/// # Safety
///
/// As the canonical ABI has it: with an `old_size`, `block` is what this function gave for that size and `align`.
#[unsafe(no_mangle)]
unsafe extern "C" fn cabi_realloc(
    block: *mut u8,
    old_size: usize,
    align: usize,
    size: usize,
) -> *mut u8 {
    if size == 0 {
        return ptr::without_provenance_mut(align);
    }
    // SAFETY: the canonical ABI asks for alignments of its types and for sizes that fit into the memory.
    let given = unsafe {
        if old_size == 0 {
            HEAP.alloc(Layout::from_size_align_unchecked(size, align))
        } else {
            HEAP.realloc(
                block,
                Layout::from_size_align_unchecked(old_size, align),
                size,
            )
        }
    };
    if given.is_null() {
        wasm32::unreachable();
    }
    given
}

/// A trap says where it was, and nobody but the debug log would hear more.
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    wasm32::unreachable()
}
