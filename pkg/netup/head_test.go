package netup

import (
	"context"
	"testing"
)

// A node that booted an EFI image directly has no command line: the network
// names its head, in the lease or in answer to an INFORM.
func TestHead(t *testing.T) {
	if !inside(t) {
		return
	}
	const head = "http://10.77.1.1:8080"
	l := newLab(t)
	l.wire("a", macA, subnet(1))
	l.dnsmasq("a", pool(1), "--dhcp-option=224,"+head)
	n := up(t, config(t))
	if n.Head != head {
		t.Errorf("the lease names head %q, want %q", n.Head, head)
	}
	n.Head = "" // as after a lease from a server that knows of none
	got, err := n.FindHead(context.Background(), "orbit")
	if err != nil || got != head {
		t.Errorf("FindHead = %q, %v; want %q", got, err, head)
	}
}

func TestNoHead(t *testing.T) {
	if !inside(t) {
		return
	}
	l := newLab(t)
	l.wire("a", macA, subnet(1))
	l.dnsmasq("a", pool(1), "--dhcp-option=224,not a URL")
	n := up(t, config(t))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if got, err := n.FindHead(ctx, "orbit"); got != "" || err == nil {
		t.Errorf("FindHead with a server that names no head = %q, %v", got, err)
	}
}
