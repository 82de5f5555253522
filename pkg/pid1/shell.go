package pid1

import (
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// port is one console. A shell is started on it only when someone presses
// Enter: until then the agent's lines have the screen to themselves.
type port struct {
	path    string
	termios *unix.Termios // as the kernel set it up; a dead line editor leaves worse
	asking  *os.File      // read by ask while no shell runs
	shell   bool          // one is running
}

// openPorts begins to listen on every console that is really there: a serial
// port without hardware opens but answers EIO.
func (s *supervisor) openPorts() {
	for _, path := range s.Consoles {
		f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
		if err != nil {
			continue
		}
		t, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
		f.Close()
		if err != nil {
			continue
		}
		p := &port{path: path, termios: t}
		s.ports = append(s.ports, p)
		s.ask(p)
	}
	if len(s.ports) == 0 {
		s.say(Warning, "no usable console: there will be no rescue shell")
	}
}

// ask waits in the background until Enter is pressed on the port.
func (s *supervisor) ask(p *port) {
	f, err := os.OpenFile(p.path, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		s.after(10*time.Second, func() { s.ask(p) })
		return
	}
	if raw, err := f.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { unix.IoctlSetTermios(int(fd), unix.TCSETS, p.termios) })
	}
	p.asking = f
	go func() {
		f.SetWriteDeadline(time.Now().Add(time.Second))
		f.WriteString("\nPress Enter for a shell.\n")
		buf := make([]byte, 64)
		for {
			n, err := f.Read(buf)
			if err != nil || n == 0 { // closed by openShell, or hung up
				s.todo <- func() { s.unanswered(p, f) }
				return
			}
			if strings.ContainsAny(string(buf[:n]), "\r\n") {
				s.todo <- func() { s.openShell(p) }
				return
			}
		}
	}()
}

// unanswered asks again after a console hung up, later so as not to spin.
func (s *supervisor) unanswered(p *port, f *os.File) {
	if p.asking != f { // openShell closed it
		return
	}
	f.Close()
	p.asking = nil
	s.after(10*time.Second, func() {
		if !p.shell && p.asking == nil {
			s.ask(p)
		}
	})
}

func (s *supervisor) openShells() {
	for _, p := range s.ports {
		s.openShell(p)
	}
}

func (s *supervisor) openShell(p *port) {
	if p.shell || s.leaving != nil {
		return
	}
	if p.asking != nil {
		p.asking.Close()
		p.asking = nil
	}
	if err := s.startShell(p); err != nil {
		s.say(Warning, "shell on %s: %v", p.path, err)
		s.after(5*time.Second, func() { s.ask(p) })
	}
}

func (s *supervisor) startShell(p *port) error {
	// Not blocking for the open, which would wait for a modem's carrier.
	fd, err := unix.Open(p.path, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	unix.SetNonblock(fd, false)
	began := time.Now()
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "TERM=") })
	env = append(env, "TERM="+term(p.path))
	tty := uintptr(fd)
	err = s.start(s.Shell, []uintptr{tty, tty, tty}, true, env, func(pid int, w unix.WaitStatus) {
		unix.Kill(-pid, unix.SIGHUP)
		p.shell = false
		s.ShellOpen(p.path, false)
		s.armPanic()
		pause := max(0, time.Second-time.Since(began)) // a shell that dies at once must not spin
		s.after(pause, func() { s.ask(p) })
	})
	if err != nil {
		return err
	}
	p.shell = true
	s.ShellOpen(p.path, true)
	return nil
}

func (s *supervisor) shells() (n int) {
	for _, p := range s.ports {
		if p.shell {
			n++
		}
	}
	return n
}

// term names the terminal type: the kernel's own on a screen, and what every
// terminal program understands on a line.
func term(path string) string {
	name := strings.TrimPrefix(path, "/dev/tty")
	if name != path && strings.Trim(name, "0123456789") == "" {
		return "linux"
	}
	return "vt220"
}
