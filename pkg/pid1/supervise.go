package pid1

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Config says what process 1 looks after.
type Config struct {
	Agent     []string             // program and arguments of the agent
	Shell     []string             // program and arguments of the rescue shell
	Consoles  []string             // terminals to offer the shell on
	Restarts  int                  // crashes of the agent within Within that are forgiven; 0 = 3
	Within    time.Duration        // 0 = one minute
	Pause     time.Duration        // before the first restart, doubled each time; 0 = 1 s
	Panic     func() time.Duration // time to the reboot once the agent is given up; 0 = never, < 0 = at once
	ShellOpen func(console string, open bool)
	Reboot    func() error        // must not return if it succeeds
	Poweroff  func() error        // likewise
	Say       func(Level, string) // nil = /dev/kmsg, which reaches the consoles and dmesg
}

// supervisor is the state of the loop. Only the loop's goroutine touches it;
// timers and consoles send it functions to call.
type supervisor struct {
	Config
	todo    chan func()
	kids    map[int]func(unix.WaitStatus)
	crashes []time.Time
	ports   []*port
	givenUp bool
	leaving func() // set once a reboot or poweroff is under way; called when all processes are gone
}

// Supervise runs process 1 for as long as the machine is up. It does not
// return.
func Supervise(c Config) {
	s := &supervisor{Config: c, todo: make(chan func()), kids: map[int]func(unix.WaitStatus){}}
	s.defaults()
	signals := make(chan os.Signal, 64)
	signal.Notify(signals, unix.SIGCHLD, unix.SIGTERM, unix.SIGINT, unix.SIGUSR1, unix.SIGUSR2, unix.SIGPWR, unix.SIGHUP)
	s.safely(s.openPorts)
	s.safely(s.startAgent)
	for {
		select {
		case sig := <-signals:
			s.safely(func() { s.signal(sig) })
		case f := <-s.todo:
			s.safely(f)
		}
	}
}

func (s *supervisor) defaults() {
	if s.Restarts == 0 {
		s.Restarts = 3
	}
	if s.Within == 0 {
		s.Within = time.Minute
	}
	if s.Pause == 0 {
		s.Pause = time.Second
	}
	if s.Panic == nil {
		s.Panic = PanicTimeout
	}
	if s.ShellOpen == nil {
		s.ShellOpen = func(string, bool) {}
	}
	if s.Say == nil {
		s.Say = kmsg
	}
}

// safely keeps a mistake in one step from ending process 1.
func (s *supervisor) safely(f func()) {
	defer func() {
		if r := recover(); r != nil {
			s.say(Warning, "process 1: %v", r)
		}
	}()
	f()
}

func (s *supervisor) say(l Level, format string, args ...any) {
	s.Say(l, fmt.Sprintf(format, args...))
}

func (s *supervisor) after(d time.Duration, f func()) {
	time.AfterFunc(d, func() { s.todo <- f })
}

func (s *supervisor) signal(sig os.Signal) {
	switch sig {
	case unix.SIGCHLD:
		s.reap()
	case unix.SIGHUP:
		s.openShells()
	case unix.SIGTERM, unix.SIGINT:
		s.leave("reboot", s.Reboot, unix.LINUX_REBOOT_CMD_RESTART)
	default:
		s.leave("power off", s.Poweroff, unix.LINUX_REBOOT_CMD_POWER_OFF)
	}
}

// reap collects every process that has ended: children, and the orphans that
// the kernel hands to process 1.
func (s *supervisor) reap() {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if errors.Is(err, unix.ECHILD) && s.leaving != nil {
			s.leaving()
		}
		if err != nil || pid <= 0 {
			return
		}
		if ended := s.kids[pid]; ended != nil {
			delete(s.kids, pid)
			s.safely(func() { ended(status) })
		}
	}
}

// start runs a program in a session of its own; ended is called when it ends.
func (s *supervisor) start(argv []string, files []uintptr, tty bool, env []string, ended func(pid int, w unix.WaitStatus)) error {
	path, err := look(argv[0])
	if err != nil {
		return err
	}
	pid, err := syscall.ForkExec(path, argv, &syscall.ProcAttr{
		Dir: "/", Env: env, Files: files,
		Sys: &syscall.SysProcAttr{Setsid: true, Setctty: tty, Ctty: 0},
	})
	if err != nil {
		return fmt.Errorf("start %s: %w", path, err)
	}
	// The protection of process 1 is inherited, and must not be: the kernel
	// would find nobody to end when memory runs out.
	os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid), []byte("0"), 0)
	s.kids[pid] = func(w unix.WaitStatus) { ended(pid, w) }
	return nil
}

func (s *supervisor) startAgent() {
	if s.leaving != nil {
		return
	}
	null, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		null = 0
	} else {
		defer unix.Close(null)
	}
	err = s.start(s.Agent, []uintptr{uintptr(null), 1, 2}, false, os.Environ(), func(pid int, w unix.WaitStatus) {
		unix.Kill(-pid, unix.SIGKILL) // what it left running must not fight with its successor over a disk
		s.agentEnded(describe(w))
	})
	if err != nil {
		s.agentEnded(err.Error())
	}
}

// agentEnded restarts the agent, unless it has ended too often of late.
func (s *supervisor) agentEnded(why string) {
	if s.leaving != nil {
		return
	}
	now := time.Now()
	s.crashes = slices.DeleteFunc(s.crashes, func(t time.Time) bool { return now.Sub(t) > s.Within })
	s.crashes = append(s.crashes, now)
	if n := len(s.crashes); n <= s.Restarts {
		pause := s.Pause << (n - 1)
		s.say(Warning, "the agent ended (%s); starting it again in %v (%d of %d)", why, pause, n, s.Restarts)
		s.after(pause, s.startAgent)
		return
	}
	s.givenUp = true
	s.say(Critical, "THE AGENT DOES NOT STAY UP: it ended %d times within %v, last: %s", len(s.crashes), s.Within, why)
	if len(s.ports) > 0 {
		s.say(Critical, "this node does nothing more by itself; press Enter on the console for a shell (orbit agent starts it again)")
	}
	s.armPanic()
}

// armPanic reboots the node after the kernel's panic= time, unless someone is
// at a shell: then the time starts when the shell is left.
func (s *supervisor) armPanic() {
	wait := s.Panic()
	if !s.givenUp || wait == 0 || s.shells() > 0 || s.leaving != nil {
		return
	}
	wait = max(wait, 0)
	s.say(Critical, "rebooting in %v unless a shell is opened (panic= on the kernel command line)", wait)
	s.after(wait, func() {
		if s.shells() == 0 {
			s.leave("reboot", s.Reboot, unix.LINUX_REBOOT_CMD_RESTART)
		}
	})
}

// leave ends every process and then the system. It happens once.
func (s *supervisor) leave(what string, act func() error, fallback int) {
	if s.leaving != nil {
		return
	}
	s.say(Critical, "%s", what)
	done := false
	s.leaving = func() {
		if done {
			return
		}
		done = true
		s.safely(func() {
			if act == nil {
				return
			}
			if err := act(); err != nil {
				s.say(Critical, "%s: %v", what, err)
			}
		})
		unix.Sync()
		unix.Reboot(fallback)
	}
	unix.Kill(-1, unix.SIGTERM)
	s.after(2*time.Second, func() {
		unix.Kill(-1, unix.SIGKILL)
		s.after(time.Second, func() { s.leaving() })
	})
	s.reap()
}

func describe(w unix.WaitStatus) string {
	if w.Signaled() {
		return fmt.Sprintf("signal %d, %s", w.Signal(), w.Signal())
	}
	return fmt.Sprintf("exit status %d", w.ExitStatus())
}
