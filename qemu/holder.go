package qemu

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A namespace lives as long as a process in it. The rack's is this very
// program, started again with holderEnv set: it keeps the namespace, opens
// sockets in it on request, and ends when its standard input does, which is
// when the rack's owner is gone, however it went.
const holderEnv = "ORBIT_RACK_HOLDER"

func init() {
	if dir := os.Getenv(holderEnv); dir != "" {
		os.Exit(hold(dir))
	}
}

// hold serves socket requests on standard input and removes dir at the end.
func hold(dir string) int {
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer os.RemoveAll(dir)
	conn, err := net.FileConn(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, "rack holder:", err)
		return 1
	}
	in := bufio.NewScanner(conn)
	for in.Scan() {
		verb, address, _ := strings.Cut(in.Text(), " ")
		f, err := openSocket(verb, address)
		reply := "ok"
		var rights []byte
		if err != nil {
			reply = err.Error()
		} else {
			rights = unix.UnixRights(int(f.Fd()))
		}
		line, _ := json.Marshal(reply)
		_, _, werr := conn.(*net.UnixConn).WriteMsgUnix(append(line, '\n'), rights, nil)
		if f != nil {
			f.Close()
		}
		if werr != nil {
			return 1
		}
	}
	return 0
}

// openSocket dials or listens in this process's namespace.
func openSocket(verb, address string) (*os.File, error) {
	network, address, _ := strings.Cut(address, " ")
	switch verb {
	case "dial":
		c, err := net.DialTimeout(network, address, 5*time.Second)
		if err != nil {
			return nil, err
		}
		defer c.Close()
		return c.(interface{ File() (*os.File, error) }).File()
	case "listen":
		l, err := net.Listen(network, address)
		if err != nil {
			return nil, err
		}
		defer l.Close()
		return l.(*net.TCPListener).File()
	}
	return nil, fmt.Errorf("unknown request %q", verb)
}

// holder is the rack's side of the process that keeps the namespace.
type holder struct {
	cmd  *exec.Cmd
	conn *net.UnixConn
	turn chan struct{} // holds one token: requests take turns
	user bool          // in a user namespace, for want of root
}

// startHolder makes the namespace, or without one only sees to it that dir is
// removed when it ends.
func startHolder(dir string, namespace bool) (*holder, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make socket pair for the namespace holder: %w", err)
	}
	mine, theirs := os.NewFile(uintptr(fds[0]), "holder"), os.NewFile(uintptr(fds[1]), "holder")
	defer mine.Close()
	defer theirs.Close()
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	h := &holder{cmd: exec.Command(self), turn: make(chan struct{}, 1), user: os.Geteuid() != 0}
	h.cmd.Env = append(os.Environ(), holderEnv+"="+dir)
	h.cmd.Stdin, h.cmd.Stderr = theirs, os.Stderr
	h.cmd.SysProcAttr = &syscall.SysProcAttr{}
	if namespace {
		h.cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWNET
	}
	if namespace && h.user {
		h.cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		h.cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		h.cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	conn, err := net.FileConn(mine)
	if err != nil {
		return nil, err
	}
	h.conn = conn.(*net.UnixConn)
	if err := h.cmd.Start(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("make a network namespace: %w", err)
	}
	return h, nil
}

// enter rewrites a command line so that it runs in the namespace.
func (h *holder) enter(name string, args []string) (string, []string) {
	in := []string{"--target", strconv.Itoa(h.cmd.Process.Pid), "--net"}
	if h.user {
		in = append(in, "--user", "--preserve-credentials")
	}
	return "nsenter", append(append(in, "--", name), args...)
}

// socket asks the holder for a socket of the namespace.
func (h *holder) socket(ctx context.Context, verb, network, address string) (*os.File, error) {
	select {
	case h.turn <- struct{}{}:
		defer func() { <-h.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if _, err := fmt.Fprintf(h.conn, "%s %s %s\n", verb, network, address); err != nil {
		return nil, fmt.Errorf("ask the namespace holder: %w", err)
	}
	line, oob := make([]byte, 4096), make([]byte, unix.CmsgSpace(4))
	n, oobn, _, _, err := h.conn.ReadMsgUnix(line, oob)
	if err != nil || n == 0 {
		return nil, fmt.Errorf("namespace holder gave no answer: %w", errors.Join(err, io.ErrUnexpectedEOF))
	}
	var reply string
	if err := json.Unmarshal(line[:n], &reply); err != nil {
		return nil, fmt.Errorf("namespace holder answered %q: %w", line[:n], err)
	}
	if oobn == 0 {
		return nil, errors.New(reply)
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil || len(messages) != 1 {
		return nil, fmt.Errorf("namespace holder sent no socket: %w", err)
	}
	rights, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return nil, fmt.Errorf("namespace holder sent no socket: %w", err)
	}
	unix.CloseOnExec(rights[0])
	return os.NewFile(uintptr(rights[0]), network+" "+address), nil
}

// close ends the holder, and with it the namespace.
func (h *holder) close() error {
	h.conn.Close()
	return h.cmd.Wait()
}
