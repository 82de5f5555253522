package rejoin

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// patience is what processes get to end: after SIGTERM, and after SIGKILL.
var patience = [2]time.Duration{10 * time.Second, 5 * time.Second}

// stopProcesses ends every process but init, kernel threads, this one, and
// the daemons that hold the root filesystem up, which mark themselves with an
// "@" as first character of their command line (systemd's ROOT_STORAGE_DAEMONS
// convention). Those that do not end within the patience are left; the
// filesystems are made read-only under them.
func stopProcesses(ctx context.Context, log *slog.Logger, proc string, patience [2]time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	// The terminal and the shell this was started from are about to go.
	signal.Ignore(unix.SIGHUP, unix.SIGINT, unix.SIGTERM, unix.SIGPIPE)
	for i, sig := range []unix.Signal{unix.SIGTERM, unix.SIGKILL} {
		pids, err := processes(proc)
		if err != nil {
			return err
		}
		log.Info("stopping processes", "signal", sig.String(), "count", len(pids))
		if left := stop(proc, pids, sig, patience[i]); left > 0 {
			log.Warn("processes did not end", "signal", sig.String(), "count", left)
		}
	}
	return nil
}

// stop sends sig and waits until the processes are gone, for at most d. It
// returns how many are not.
func stop(proc string, pids []int, sig unix.Signal, d time.Duration) int {
	for _, pid := range pids {
		if err := unix.Kill(pid, sig); err == nil && sig == unix.SIGTERM {
			unix.Kill(pid, unix.SIGCONT) // a stopped one would not hear it
		}
	}
	deadline := time.NewTimer(d)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		left := 0
		for _, pid := range pids {
			if stoppable(proc, pid) {
				left++
			}
		}
		if left == 0 {
			return 0
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			return left
		}
	}
}

// processes lists what is to be stopped.
func processes(proc string) ([]int, error) {
	dirs, err := filepath.Glob(filepath.Join(proc, "[0-9]*"))
	if err != nil {
		return nil, err
	}
	if len(dirs) == 0 {
		return nil, errors.New("list processes: none in " + proc + " (not mounted?)")
	}
	var pids []int
	for _, d := range dirs {
		pid, err := strconv.Atoi(filepath.Base(d))
		if err == nil && pid != 1 && pid != os.Getpid() && stoppable(proc, pid) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// stoppable tells user space processes that are alive. Kernel threads and
// zombies have an empty command line.
func stoppable(proc string, pid int) bool {
	b, err := os.ReadFile(filepath.Join(proc, strconv.Itoa(pid), "cmdline"))
	return err == nil && len(b) > 0 && !bytes.HasPrefix(b, []byte("@"))
}
