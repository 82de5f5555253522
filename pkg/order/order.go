// Package order sorts slices. It is for the node's binary: package slices
// compiles its pattern-defeating quicksort anew for every type that is sorted,
// 10 KB each, where this package adapts the one of package sort.
package order

import "sort"

// Sort sorts s in ascending order, as compare tells it: negative where a comes
// before b. What is equal may change places.
func Sort[T any](s []T, compare func(a, b T) int) { sort.Sort(by[T]{s, compare}) }

// Stable is Sort that leaves what is equal in the order that it has.
func Stable[T any](s []T, compare func(a, b T) int) { sort.Stable(by[T]{s, compare}) }

type by[T any] struct {
	s       []T
	compare func(a, b T) int
}

func (b by[T]) Len() int           { return len(b.s) }
func (b by[T]) Less(i, j int) bool { return b.compare(b.s[i], b.s[j]) < 0 }
func (b by[T]) Swap(i, j int)      { b.s[i], b.s[j] = b.s[j], b.s[i] }
