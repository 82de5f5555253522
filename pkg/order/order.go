// Package order sorts slices. It is for the node's binary: package slices
// compiles its pattern-defeating quicksort anew for every type that is sorted,
// 10 KB each, where package sort has one for all.
package order

import "sort"

// Sort sorts s in ascending order, as compare tells it: negative where a comes
// before b. What is equal may change places.
func Sort[T any](s []T, compare func(a, b T) int) {
	sort.Slice(s, func(i, j int) bool { return compare(s[i], s[j]) < 0 })
}

// Stable is Sort that leaves what is equal in the order that it has.
func Stable[T any](s []T, compare func(a, b T) int) {
	sort.SliceStable(s, func(i, j int) bool { return compare(s[i], s[j]) < 0 })
}
