package qemu

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// Machine is a node that was switched on.
type Machine struct {
	Node    Node
	Console *Console
	Started time.Time // power on

	cmd    *exec.Cmd
	qmp    *qmp
	stderr *bytes.Buffer
	done   chan struct{}
	err    error // of QEMU, valid once done
	once   sync.Once
}

// Start switches a node on. Its console is logged to NAME.console.log in the
// rack's directory (to NAME-2.console.log for its second machine, and so on).
func (r *Rack) Start(n Node) (*Machine, error) {
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		return nil, fmt.Errorf("no QEMU (install qemu-system-x86): %w", err)
	}
	netdev, err := r.plug(&n)
	if err != nil {
		return nil, err
	}
	path, err := freeName(r.Dir, n.Name, ".console.log")
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(r.work, filepath.Base(path)+".qmp")
	args, err := n.command(r.work, socket, netdev)
	if err != nil {
		return nil, err
	}
	m := &Machine{Node: n, stderr: &bytes.Buffer{}, done: make(chan struct{})}
	if err := m.run(r, path, args); err != nil {
		return nil, fmt.Errorf("start node %s: %w", n.Name, err)
	}
	r.mu.Lock()
	r.machines = append(r.machines, m)
	r.mu.Unlock()
	if err := m.control(socket); err != nil {
		m.Kill()
		return nil, fmt.Errorf("start node %s: %w: %s", n.Name, err, bytes.TrimSpace(m.stderr.Bytes()))
	}
	r.log.Info("node on", "name", n.Name, "mac", m.Node.MAC, "firmware", orString(string(n.Firmware), string(BIOS)), "pid", m.cmd.Process.Pid, "console", path)
	return m, nil
}

// plug gives the node a MAC address and a port of the rack's network.
func (r *Rack) plug(n *Node) (netdev string, err error) {
	if r.holder == nil {
		r.mu.Lock()
		r.taps++
		index := r.taps
		r.mu.Unlock()
		n.MAC = orString(n.MAC, fmt.Sprintf("52:54:00:0b:17:%02x", index))
		return "user,id=net0", nil
	}
	tap, err := r.tap()
	if err != nil {
		return "", err
	}
	var index int
	fmt.Sscanf(tap, "tap%d", &index)
	n.MAC = orString(n.MAC, fmt.Sprintf("52:54:00:0b:17:%02x", index+1))
	return "tap,id=net0,script=no,downscript=no,ifname=" + tap, nil
}

func freeName(dir, name, suffix string) (string, error) {
	for i := 1; ; i++ {
		path := filepath.Join(dir, name+suffix)
		if i > 1 {
			path = filepath.Join(dir, fmt.Sprintf("%s-%d%s", name, i, suffix))
		}
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("console log: %w", err)
		}
		return path, f.Close()
	}
}

func (m *Machine) run(r *Rack, path string, args []string) error {
	log, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	m.cmd = r.Command(ctx, "qemu-system-x86_64", args...)
	m.cmd.Stderr = m.stderr
	stdin, err := m.cmd.StdinPipe()
	if err != nil {
		cancel()
		return err
	}
	stdout, err := m.cmd.StdoutPipe()
	if err != nil {
		cancel()
		return err
	}
	if err := m.cmd.Start(); err != nil {
		cancel()
		return err
	}
	m.Started = time.Now()
	m.Console = newConsole(path, stdin)
	go func() {
		m.Console.copy(stdout, log)
		m.err = m.cmd.Wait()
		cancel()
		close(m.done)
	}()
	return nil
}

// control connects to QMP as soon as QEMU has made the socket.
func (m *Machine) control(socket string) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			m.qmp, err = newQMP(conn)
			return err
		}
		select {
		case <-m.done:
			return fmt.Errorf("qemu ended: %v", m.err)
		case <-tick.C:
		}
	}
}

// Resets tells how often the machine went back to its firmware.
func (m *Machine) Resets() int { return m.qmp.count("RESET") }

// Reset presses the reset button.
func (m *Machine) Reset(ctx context.Context) error {
	_, err := m.qmp.do(ctx, "system_reset", nil)
	return err
}

// Powerdown presses the power button: the system may shut down, or not.
func (m *Machine) Powerdown(ctx context.Context) error {
	_, err := m.qmp.do(ctx, "system_powerdown", nil)
	return err
}

// Pause freezes the machine, Resume goes on.
func (m *Machine) Pause(ctx context.Context) error {
	_, err := m.qmp.do(ctx, "stop", nil)
	return err
}

// Resume goes on after Pause.
func (m *Machine) Resume(ctx context.Context) error {
	_, err := m.qmp.do(ctx, "cont", nil)
	return err
}

// Off cuts the power and waits until the disks' files are closed.
func (m *Machine) Off(ctx context.Context) error {
	_, err := m.qmp.do(ctx, "quit", nil)
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return m.Wait(ctx)
}

// Wait waits until the machine is off: by itself, or by a reset with NoReboot.
func (m *Machine) Wait(ctx context.Context) error {
	select {
	case <-m.done:
	case <-ctx.Done():
		return &ConsoleError{Want: []string{"(power off)"}, Cause: context.Cause(ctx), Tail: tail(m.Console.Text(), 30), Log: m.Console.Path}
	}
	if m.err != nil {
		return fmt.Errorf("qemu of node %s: %w: %s", m.Node.Name, m.err, bytes.TrimSpace(m.stderr.Bytes()))
	}
	return nil
}

// Kill ends the machine at once.
func (m *Machine) Kill() {
	m.once.Do(func() { m.cmd.Process.Signal(syscall.SIGKILL) })
	<-m.done
}
