// Package runtime gives the host memory, and the bindings their handles.
package runtime

import (
	"runtime"
	"runtime/debug"
	"unsafe"
)

// What the host was given, until a call has taken it over: nothing else refers to it.
var held []unsafe.Pointer

// The adapter of WASI 0.1 asks for its 128 KiB while Go starts, before anything can be allocated.
var early struct {
	words [24 * 1024]uint64
	used  uintptr
	over  bool
}

// The collector does not see what the host is about to write, and it calls the host, which must not be called while it
// asks for memory. The sender runs it after each batch.
func init() {
	debug.SetGCPercent(-1)
	early.over = true
}

// cabiRealloc is where the host asks for memory.
//
//go:nosplit
//go:wasmexport cabi_realloc
func cabiRealloc(old unsafe.Pointer, oldSize, align, size uintptr) unsafe.Pointer {
	if !early.over {
		first := early.used
		early.used += (size + 7) / 8
		if early.used > uintptr(len(early.words)) {
			// The last address, where writing traps.
			return unsafe.Add(nil, -8)
		}
		return unsafe.Add(unsafe.Pointer(&early.words), first*8)
	}
	memory := allocate(size)
	if oldSize > 0 {
		copy(unsafe.Slice((*byte)(memory), size), unsafe.Slice((*byte)(old), oldSize))
	}
	held = append(held, memory)
	return memory
}

// Unpin forgets what the host was given. What refers to it by now keeps it.
func Unpin() {
	held = held[:0]
}

// Allocate gives memory that stays where it is until the pinner lets it go.
func Allocate(pinner *runtime.Pinner, size, align uintptr) unsafe.Pointer {
	memory := allocate(size)
	if memory != nil {
		pinner.Pin(memory)
	}
	return memory
}

// Eight bytes are the largest alignment that there is.
func allocate(size uintptr) unsafe.Pointer {
	if size == 0 {
		return nil
	}
	return unsafe.Pointer(unsafe.SliceData(make([]uint64, (size+7)/8)))
}

// Handle is a resource of the host's, until it is taken.
type Handle struct {
	value int32
}

func MakeHandle(value int32) *Handle {
	return &Handle{value}
}

// Use is the handle, which stays here.
func (handle *Handle) Use() int32 {
	if handle.value == 0 {
		panic("the resource is gone")
	}
	return handle.value
}

// Take is the handle, which is another's from now on.
func (handle *Handle) Take() int32 {
	value := handle.Use()
	handle.value = 0
	return value
}

// TakeOrNil is 0 if it was taken before.
func (handle *Handle) TakeOrNil() int32 {
	value := handle.value
	handle.value = 0
	return value
}

func (handle *Handle) Set(value int32) {
	handle.value = value
}
