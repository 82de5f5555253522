package uhd

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// answerer is what a neighbour listens with.
type answerer struct {
	port   int
	answer func([]byte) []byte
	other  bool // it answers by another socket, as MPM does
}

var errNotRoot = errors.New("no network namespaces here (run as root)")

// neighbourhood runs a function on a network of its own, 10.9.0.0/24, with the
// answerers at 10.9.0.10 and following, each a machine on one bridge.
func neighbourhood(t *testing.T, machines [][]answerer, run func()) {
	if testing.Short() {
		t.Skip("makes network namespaces")
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends, and with it the namespace
		done <- inNamespace(machines, run)
	}()
	if err := <-done; errors.Is(err, errNotRoot) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
}

func inNamespace(machines [][]answerer, run func()) error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return errNotRoot
	}
	home, err := namespace()
	if err != nil {
		return err
	}
	defer unix.Close(home)
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0"}}
	if err := errors.Join(netlink.LinkAdd(bridge), up("br0", "10.9.0.1/24")); err != nil {
		return err
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	for i, all := range machines {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		there, err := namespace()
		if err != nil {
			return err
		}
		defer unix.Close(there)
		if err := unix.Setns(home, unix.CLONE_NEWNET); err != nil {
			return err
		}
		near, far := "near"+string(rune('0'+i)), "far"+string(rune('0'+i))
		pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: near}, PeerName: far}
		if err := netlink.LinkAdd(pair); err != nil {
			return err
		}
		peer, err := netlink.LinkByName(far)
		if err != nil {
			return err
		}
		if err := errors.Join(netlink.LinkSetNsFd(peer, there), netlink.LinkSetMaster(pair, bridge), netlink.LinkSetUp(pair), unix.Setns(there, unix.CLONE_NEWNET)); err != nil {
			return err
		}
		err = up(far, "10.9.0."+string(rune('1'))+string(rune('0'+i))+"/24")
		for _, a := range all {
			stop, serveErr := serve(&wg, a)
			err = errors.Join(err, serveErr)
			defer stop()
		}
		if err = errors.Join(err, unix.Setns(home, unix.CLONE_NEWNET)); err != nil {
			return err
		}
	}
	for i := range machines {
		if err := carries("near" + string(rune('0'+i))); err != nil {
			return err
		}
	}
	run()
	return nil
}

// carries waits for the kernel to notice that a cable has two ends.
func carries(name string) error {
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); runtime.Gosched() {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		if link.Attrs().OperState == netlink.OperUp {
			return nil
		}
	}
	return errors.New(name + " has no carrier")
}

func namespace() (int, error) {
	return unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
}

func up(name, address string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	a, err := netlink.ParseAddr(address)
	if err != nil {
		return err
	}
	a.Broadcast = net.IPv4(10, 9, 0, 255)
	return errors.Join(netlink.AddrAdd(link, a), netlink.LinkSetUp(link))
}

// serve answers in this thread's namespace until it is stopped.
func serve(wg *sync.WaitGroup, a answerer) (stop func(), err error) {
	in, err := net.ListenUDP("udp4", &net.UDPAddr{Port: a.port}) // only so does one hear broadcasts
	if err != nil {
		return func() {}, err
	}
	out := in
	if a.other {
		if out, err = net.ListenUDP("udp4", nil); err != nil {
			return func() { in.Close() }, err
		}
	}
	wg.Go(func() {
		b := make([]byte, 2000)
		for {
			n, from, err := in.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			if reply := a.answer(b[:n]); reply != nil {
				out.WriteToUDPAddrPort(reply, from)
			}
		}
	})
	return func() { in.Close(); out.Close() }, nil
}

func TestAsk(t *testing.T) {
	x310 := &radio{version: 6 << 16, eeprom: board(0x7862, "roof", "30F0A1B")}
	// The first packets are lost, or those that read.
	hard := &radio{version: 6 << 16, eeprom: board(0x7861, "", "30F0A1C"), deaf: [2]int32{1, 4}}
	busy := &radio{version: 6 << 16, eeprom: board(0x7861, "", "30F0A1D"), deaf: [2]int32{3, 9}}
	old := &radio{version: 5 << 16}
	echo := func(b []byte) []byte { return b }
	garbage := func([]byte) []byte { return []byte("HTTP/1.1 400 Bad Request\r\n\r\n") }
	mpmd := func(b []byte) []byte {
		if string(b) != "MPM-DISC" {
			return nil
		}
		return []byte("USRP-MPM;type=n3xx;product=n310;serial=31A0B1C;claimed=False")
	}
	neighbourhood(t, [][]answerer{
		{{port: controlPort, answer: x310.answer}},
		{{port: controlPort, answer: hard.answer}},
		{{port: controlPort, answer: old.answer}},
		{{port: controlPort, answer: usrp2}},
		{{port: mpmPort, answer: mpmd, other: true}, {port: controlPort, answer: garbage}},
		{{port: mpmPort, answer: garbage}},
		{{port: mpmPort, answer: echo}},
		{{port: controlPort, answer: busy.answer}},
	}, func() {
		began := time.Now()
		got, err := Ask(context.Background(), netip.MustParsePrefix("10.9.0.1/24"), 2*time.Second)
		if err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took < time.Second || took > 20*time.Second {
			t.Errorf("took %v", took)
		}
		address := netip.MustParseAddr
		want := []Radio{
			{Kind: "USRP X310", Address: address("10.9.0.10"), Serial: "30F0A1B", Name: "roof"},
			{Kind: "USRP X300", Address: address("10.9.0.11"), Serial: "30F0A1C"},
			{Kind: "USRP X3x0", Address: address("10.9.0.12")},
			{Kind: "USRP2/N200 series", Address: address("10.9.0.13")},
			{Kind: "USRP N310", Address: address("10.9.0.14"), Serial: "31A0B1C"},
			{Kind: "USRP X300", Address: address("10.9.0.17"), Serial: "30F0A1D"},
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		for _, r := range []*radio{x310, hard, old} {
			if n := r.writes.Load(); n > 0 {
				t.Errorf("%d packets asked a radio to write to its memory", n)
			}
		}
	})
}

func TestAskEnds(t *testing.T) {
	neighbourhood(t, nil, func() {
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(50*time.Millisecond, cancel)
		got, err := Ask(ctx, netip.MustParsePrefix("10.9.0.1/24"), time.Hour)
		if got != nil || err != nil {
			t.Errorf("nobody there: %v, %v", got, err)
		}
		if _, err := Ask(context.Background(), netip.MustParsePrefix("10.8.0.1/24"), time.Hour); err == nil {
			t.Error("asked a network that isn't there")
		}
	})
}
