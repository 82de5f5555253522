package kexec

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sys/unix"
)

// writeBack bounds the wait for dirty pages; a disk that hangs must not keep
// the machine from leaving.
const writeBack = 2 * time.Minute

// Execute leaves the running system and starts the kernel that Load put into
// memory. It returns only on failure. Processes are left alone: the caller
// stops those that may still write. Without a loaded kernel it changes
// nothing and returns an error.
func Execute(ctx context.Context, log *slog.Logger) error {
	if !Loaded() {
		return errors.New("start loaded kernel: none is loaded")
	}
	return leave(ctx, log, unix.LINUX_REBOOT_CMD_KEXEC, "start loaded kernel")
}

// Reboot leaves the running system through the firmware's reset.
func Reboot(ctx context.Context, log *slog.Logger) error {
	return leave(ctx, log, unix.LINUX_REBOOT_CMD_RESTART, "reboot")
}

// Poweroff leaves the running system and switches the machine off.
func Poweroff(ctx context.Context, log *slog.Logger) error {
	return leave(ctx, log, unix.LINUX_REBOOT_CMD_POWER_OFF, "power off")
}

// leave quiesces and goes. Nothing that fails on the way keeps the machine
// from leaving; it is logged.
func leave(ctx context.Context, log *slog.Logger, cmd int, what string) error {
	if unix.Geteuid() != 0 {
		return fmt.Errorf("%s: root is needed", what)
	}
	quiesce(ctx, log)
	log.Info(what)
	if err := unix.Reboot(cmd); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// quiesce makes the disks consistent and stops devices from writing into
// memory. Filesystems go before links, so that network filesystems can still
// say goodbye.
func quiesce(ctx context.Context, log *slog.Logger) {
	sync(ctx, log)
	mounts, err := readMounts("/proc/thread-self/mountinfo")
	if err != nil {
		log.Warn("list mounts", "err", err)
	}
	unmount(log, mounts)
	linksDown(log)
	sync(ctx, log)
}

// sync writes dirty pages back, for at most writeBack. sync(2) cannot be
// interrupted, so a goroutine stuck in it is left behind; the machine is
// about to forget it.
func sync(ctx context.Context, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(ctx, writeBack)
	defer cancel()
	done := make(chan struct{})
	go func() { unix.Sync(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		log.Warn("writing back dirty pages does not end (disk failing?), going on without", "err", ctx.Err())
	}
}
