package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

const (
	backlogFile = "/proc/sys/net/core/netdev_max_backlog"
	// enough is for what a burst becomes on its way to all clients of a room. With
	// the kernel's 1000 this machine would lose frames between bridge and clients,
	// one in three of 32 clients', which no cable does.
	enough = 100_000
)

// widen makes the kernel's queue between virtual cables long enough, and gives
// what sets it back.
func widen() (back func() error, err error) {
	text, err := os.ReadFile(backlogFile)
	if err != nil {
		return nil, err
	}
	was, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", backlogFile, err)
	}
	set := func(n int) error { return os.WriteFile(backlogFile, []byte(strconv.Itoa(n)), 0) }
	if was >= enough {
		return func() error { return nil }, nil
	}
	return func() error { return set(was) }, set(enough)
}
