package version

import (
	"runtime/debug"
	"testing"
	"time"
)

func TestBuilt(t *testing.T) {
	defer func(old string) { built = old }(built)
	built = "2026-11-23T12:00:00Z"
	if got, want := Built(), time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC); !got.Equal(want) {
		t.Errorf("Built() = %v, want %v", got, want)
	}
	built = "yesterday"
	if got := Built(); !got.IsZero() {
		t.Errorf("Built() of a bad stamp = %v, want the zero Time", got)
	}
}

func TestString(t *testing.T) {
	defer func(old string) { version = old }(version)
	version = "v0.1.0"
	if got := String(); got != "v0.1.0" {
		t.Errorf("String() = %q, want the linked version", got)
	}
	version = ""
	if got := String(); got == "" {
		t.Error("String() is empty without a linked version")
	}
}

func TestSetting(t *testing.T) {
	info := &debug.BuildInfo{Settings: []debug.BuildSetting{{Key: "vcs.time", Value: "x"}}}
	if got := setting(info, "vcs.time"); got != "x" {
		t.Errorf("setting = %q, want x", got)
	}
	if got := setting(info, "vcs.revision"); got != "" {
		t.Errorf("setting of a missing key = %q, want nothing", got)
	}
}
