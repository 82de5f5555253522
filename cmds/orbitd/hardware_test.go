package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/head/hardware"
)

func TestHardwareFlags(t *testing.T) {
	words := func(list []hardware.Pattern) (found []string) {
		for _, p := range list {
			found = append(found, p.String())
		}
		return found
	}
	ignore, report := words(hardware.DefaultIgnore()), words(hardware.DefaultReport())
	for _, test := range []struct {
		args           string
		hold           bool
		ignore, report []string
		fails          string
	}{
		{"", false, ignore, report, ""},
		{"--on-change report", false, ignore, report, ""},
		{"--on-change hold", true, ignore, report, ""},
		{"--on-change hold --ignore-change disks.*.partitions,usb --ignore-change sensors", true, append(ignore, "disks.*.partitions", "usb", "sensors"), report, ""},
		{"--ignore-change none,usb --report-change none", false, []string{"usb"}, nil, ""},
		{"--on-change panic", false, nil, nil, "want report or hold"},
		{"--ignore-change a..b", false, nil, nil, "does not name fields"},
		{"--report-change [x]", false, nil, nil, "does not begin with a section"},
	} {
		var out bytes.Buffer
		c, _, err := serveConfig(&out, strings.Fields("--interface x --dir x "+test.args))
		if test.fails != "" {
			if err == nil || !strings.Contains(err.Error(), test.fails) {
				t.Errorf("%s: %v, want %s", test.args, err, test.fails)
			}
			continue
		}
		if err != nil || c.Hardware.Hold != test.hold {
			t.Errorf("%s: hold %t, %v", test.args, c.Hardware.Hold, err)
		}
		if diff := cmp.Diff([][]string{test.ignore, test.report}, [][]string{words(c.Hardware.Ignore), words(c.Hardware.Report)}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.args, diff)
		}
	}
}
