package hardware

import (
	"strings"
	"testing"
)

func TestPatterns(t *testing.T) {
	for _, test := range []struct {
		pattern, path string
		want          bool
	}{
		{"usb", "usb", true}, {"usb", "usb[1-1.2]", true}, {"usb", "usb[1-1.2].interfaces[00].driver", true}, {"usb", "usbs", false}, {"usb", "disks.usb", false},
		{"disks.partitions", "disks[naa.5000].partitions[1].size", true}, {"disks.partitions", "disks[naa.5000]", false}, {"disks.partitions", "disks[x].table", false},
		{"disks.*.partitions", "disks[naa.5000].partitions[1]", true}, {"disks.*.partitions", "disks[x].size", false}, {"disks.*.partitions", "disks", false},
		{"disks[naa.*].firmware", "disks[naa.5000].firmware", true}, {"disks[naa.*].firmware", "disks[eui.5000].firmware", false}, {"disks[naa.*].firmware", "disks[naa.5000].size", false},
		{"disks[a[b]]", "disks[a[b]].size", true}, {"disks[x]", "disks[x].size", true}, {"disks[x]", "disks.x", false},
		{"*.driver", "nics[52:54:00:00:00:01].driver", true}, {"*.driver", "usb[1-1].interfaces[00].driver", false}, {"*.driver", "driver", false}, {"*.*.*.driver", "usb[1-1].interfaces[00].driver", true},
		{"memory", "memory.modules[DIMM A1].size", true}, {"memory.total", "memory.total", true}, {"memory.total", "memory.totals", false},
		{"disks", "disks[a].b].c", true}, {"disks.c", "disks[a].b].c", false}, {"disks.b]", "disks[a].b].c", true}, {"disks", "disks[", true},
	} {
		p, err := ParsePattern(test.pattern)
		if err != nil {
			t.Errorf("%s: %v", test.pattern, err)
			continue
		}
		if got := p.Match(test.path); got != test.want {
			t.Errorf("%s fits %s: %t", test.pattern, test.path, got)
		}
	}
	long := "disks" + strings.Repeat("[x]", 1<<18)
	if matches(append(DefaultReport(), patterns("*.*.*.*.*.driver")...), long+".driver") {
		t.Error("an id that looks like many members fits")
	}
	for _, source := range []string{"", ".", "disks.", ".disks", "disks..size", "[x]", "disks[]", "disks[[]", "a.b."} {
		if p, err := ParsePattern(source); err == nil {
			t.Errorf("%q is a pattern: %+v", source, p)
		}
	}
	for _, list := range [][]Pattern{DefaultIgnore(), DefaultReport()} {
		for _, p := range list {
			if _, err := ParsePattern(p.String()); err != nil {
				t.Errorf("default: %v", err)
			}
		}
	}
}

func FuzzPattern(f *testing.F) {
	f.Add("disks.*.partitions", "disks[naa.5000].partitions[1].size")
	f.Add("*.*[a]", "a[b].c]][")
	f.Fuzz(func(t *testing.T, pattern, path string) {
		if len(pattern)+len(path) > 100 {
			return
		}
		if p, err := ParsePattern(pattern); err == nil {
			p.Match(path)
		}
	})
}
