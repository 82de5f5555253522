package agent

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/netup"
	"github.com/orbit-pxe/orbit/pkg/version"
)

// network brings the network up, however long that takes, and sets the clock.
// A node that only boots its own disk needs none.
func (a *agent) network(ctx context.Context) error {
	if a.Params.Head == "" && a.Params.Job.Kind == api.Boot {
		return nil
	}
	c := netup.Config{
		BootMAC: a.Params.BootMAC, VLAN: a.Params.VLAN, IP: a.Params.IP, Patience: a.Params.Patience,
		Log: a.Log, Note: a.Out.Line,
	}
	began := time.Now()
	early := []api.Event{a.event(api.Network, api.Started, began, "")}
	for {
		n, err := a.Network(ctx, c)
		if err == nil {
			a.net = n
			break
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		a.shout("%v", err)
		if c.IP != "" { // a mistake there must not keep the node off the network
			c.IP = ""
			a.say("trying DHCP instead of ip=")
		}
		a.pause(ctx, a.Retry)
	}
	a.nameHost()
	a.findHead(ctx)
	if did, err := netup.SetClock(ctx, netup.Clock{Floor: version.Built(), Head: a.Params.Head, NTP: a.net.NTP}); err != nil {
		a.say("%v", err)
	} else {
		a.Log.Info(did)
	}
	early = append(early, a.event(api.Network, api.Done, began, a.net.String()))
	if a.Params.Head != "" {
		a.head = newHead(a.Params.Head, a.net.MAC)
		a.report = newReporter(a.head.events, a.Log, a.Retry)
	}
	for _, e := range early {
		a.sink(e)
	}
	return nil
}

// findHead is for a node whose command line says nothing, because it booted an
// EFI image directly: its head is the one that the network names.
func (a *agent) findHead(ctx context.Context) {
	if a.Params.Head != "" || a.Params.Job.Kind != "" {
		return
	}
	head, err := a.net.FindHead(ctx, "orbit")
	if err != nil {
		a.say("look for a head: %v", err)
	}
	if head != "" {
		a.say("head: %s, as the network says", head)
		a.Params.Head = head
	}
}

// nameHost gives the node the name the DHCP server has for it, or one made of
// its address.
func (a *agent) nameHost() {
	name := a.net.Hostname
	if name == "" {
		name = "orbit-" + strings.ReplaceAll(a.net.MAC, ":", "")
	}
	if err := a.Machine.Name(name); err != nil {
		a.Log.Warn("set the host name", "err", err)
	}
}

func (a *agent) event(step api.Step, state api.State, began time.Time, message string) api.Event {
	e := api.Event{Time: time.Now(), Uptime: Uptime().Seconds(), Step: step, State: state, Message: message}
	if state != api.Started {
		e.Seconds = time.Since(began).Seconds()
	}
	return e
}

// sink is where every event of the node goes: timeline, consoles, head.
func (a *agent) sink(e api.Event) {
	if e.Uptime == 0 {
		e.Uptime = Uptime().Seconds()
	}
	a.line.add(e)
	a.shown.Sink()(e)
	if a.report != nil {
		a.report.add(e)
	}
}

func (a *agent) pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// Uptime is the time since the kernel started, suspended or not.
func Uptime() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

func kernelRelease() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return fmt.Sprint(err)
	}
	return unix.ByteSliceToString(u.Release[:])
}
