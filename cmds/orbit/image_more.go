//go:build !node

package main

func moreImageVerbs() []verb {
	return []verb{}
}
