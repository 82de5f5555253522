//go:build node

package main

import (
	"context"
	"flag"
	"io"
)

func moreImageVerbs() []verb { return nil }

func moreVerbs() []verb { return nil }

// inspectFlags are those for other images than Orbit's, of which a node knows
// nothing.
type inspectFlags struct{}

func moreInspectFlags(*flag.FlagSet) inspectFlags { return inspectFlags{} }

func (inspectFlags) inspect(context.Context, io.Writer, string, bool) (bool, error) {
	return false, nil
}
