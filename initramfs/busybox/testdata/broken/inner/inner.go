// Package inner doesn't compile.
package inner

var _ = nothing
