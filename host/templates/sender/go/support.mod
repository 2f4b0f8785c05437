// What the bindings need at run time, in place of the module of that name: it needs no download, and it gives the memory
// of a batch back.
module go.bytecodealliance.org/pkg

go 1.27
