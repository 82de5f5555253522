//go:build node

package main

import (
	"context"
	"flag"
)

// On a node there is only that node to try.
const (
	burninArgs     = "--here [flags]"
	moreBurninHelp = ""
	headDefault    = " (default: the one that the node has)"
)

type trialMore struct{}

func (trialMore) flags(*flag.FlagSet) {}
func (trialMore) chosen() bool        { return false }

func (t *trial) assign(context.Context, []string) error {
	return usage("want --here")
}
