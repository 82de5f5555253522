package main

import (
	"flag"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/head"
	"github.com/orbit-pxe/orbit/pkg/head/hardware"
)

// hardwareFlags are those that say what follows when a node has changed.
func hardwareFlags(flags *flag.FlagSet, c *head.Config) (onChange *string) {
	c.Hardware.Ignore, c.Hardware.Report = hardware.DefaultIgnore(), hardware.DefaultReport()
	onChange = flags.String("on-change", "report", "what a node whose hardware changed is to get: `report` (its jobs, and a word in the log) or hold (no job before somebody accepts it)")
	patternFlag(flags, "ignore-change", "`fields` of the inventory that may change, comma-separated, as disks.*.partitions,usb; none first forgets those that are always ignored (may be repeated; see docs/head.md)", &c.Hardware.Ignore)
	patternFlag(flags, "report-change", "`fields` for which no node is held, comma-separated; none first forgets those it never is held for (may be repeated)", &c.Hardware.Report)
	return onChange
}

func patternFlag(flags *flag.FlagSet, name, usage string, list *[]hardware.Pattern) {
	flags.Func(name, usage, func(text string) error {
		for word := range strings.SplitSeq(text, ",") {
			word = strings.TrimSpace(word)
			if word == "none" {
				*list = nil
				continue
			}
			p, err := hardware.ParsePattern(word)
			if err != nil {
				return err
			}
			*list = append(*list, p)
		}
		return nil
	})
}
