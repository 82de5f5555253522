//go:build tagged

package main

const tags = ", tagged"
