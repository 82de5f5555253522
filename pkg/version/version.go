// Package version tells which Orbit this is. It is an ordinary package and
// not package main because the busybox rewriter of the initramfs drops what
// -ldflags -X sets there.
package version

import (
	"runtime/debug"
	"time"
)

// Set by the build: -ldflags "-X github.com/orbit-pxe/orbit/pkg/version.version=v1.2.3
// -X github.com/orbit-pxe/orbit/pkg/version.built=2026-11-23T12:00:00Z".
var version, built string

// String is the release or commit this program was built from, "devel" where
// nobody said.
func String() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		if rev := setting(info, "vcs.revision"); len(rev) >= 12 {
			if setting(info, "vcs.modified") == "true" {
				return rev[:12] + "+changes"
			}
			return rev[:12]
		}
		if v := info.Main.Version; v != "" && v != "(devel)" {
			return v
		}
	}
	return "devel"
}

// Built is when the sources were committed or the program was built, the zero
// Time where not known. No clock can be right that shows an earlier time.
func Built() time.Time {
	stamp := built
	if info, ok := debug.ReadBuildInfo(); ok && stamp == "" {
		stamp = setting(info, "vcs.time")
	}
	t, err := time.Parse(time.RFC3339, stamp)
	if err != nil {
		return time.Time{}
	}
	return t
}

func setting(info *debug.BuildInfo, key string) string {
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}
