package network

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
	"github.com/orbit-pxe/orbit/pkg/order"
)

// Options say how to look for what is at the other ends of cables.
type Options struct {
	LLDP     time.Duration // how long to listen; 0 = 800 ms, less = not at all
	Announce bool          // say by LLDP who is here, so that switches answer at once and show the node
	Boot     string        // MAC address of the interface this boot came by; "" = find out
}

// NICs lists the interfaces, with what can be learned in little time.
func NICs(ctx context.Context, h sysfs.Host) ([]hardware.NIC, error) {
	return Options{}.NICs(ctx, h)
}

// NICs lists the Ethernet and InfiniBand interfaces with hardware behind them,
// in the order of where they are attached. Virtual functions that this same
// system has made are left out, and radios are in Wireless. It returns a little
// before ctx's deadline with what it has.
func (o Options) NICs(ctx context.Context, h sysfs.Host) ([]hardware.NIC, error) {
	c := collector{Options: o, host: h}
	if h.Live() {
		c.tool, c.listen = live, listen
	}
	return c.nics(ctx)
}

// collector has seams where questions go out of sysfs. Without one nobody is
// asked.
type collector struct {
	Options
	host   sysfs.Host
	tool   ethtool
	listen func(context.Context, []*port, Options, sysfs.Host) (map[int]hardware.Neighbour, error)
}

const netDir = "/sys/class/net/"

// port is an interface on its way into the document.
type port struct {
	hardware.NIC
	place
	dir    string // in sysfs
	index  int    // of the interface
	infini bool   // InfiniBand
	err    error
}

// early ends a little before ctx, so that what was found can be put together:
// closing the socket for LLDP alone may take some 30 ms.
func early(ctx context.Context) (context.Context, context.CancelFunc) {
	const margin = 200 * time.Millisecond
	if end, ok := ctx.Deadline(); ok {
		return context.WithDeadline(ctx, end.Add(-margin))
	}
	return context.WithCancel(ctx)
}

func (c collector) nics(ctx context.Context) ([]hardware.NIC, error) {
	ctx, cancel := early(ctx)
	defer cancel()
	ports, err := c.ports()
	if err != nil {
		return nil, err
	}
	boot := c.Boot
	if boot == "" {
		boot = Boot(c.host)
	}
	// Drivers are asked side by side, and while the cables are listened to. One
	// that doesn't answer keeps its goroutine, which then has nobody to tell.
	answers := make([]chan *port, len(ports))
	for i, p := range ports {
		answers[i] = make(chan *port, 1)
		known := *p
		go func() {
			defer func() {
				if p := recover(); p != nil { // a driver that lies must not take the other facts with it
					known.err = fmt.Errorf("ask driver %s of %s: internal error: %v", known.Driver, known.Name, p)
					answers[i] <- &known
				}
			}()
			answers[i] <- c.details(known)
		}()
	}
	neighbours, err := c.neighbours(ctx, ports)
	errs := []error{err}
	for i := range ports {
		select {
		case ports[i] = <-answers[i]:
			errs = append(errs, ports[i].err)
		case <-ctx.Done():
			select {
			case ports[i] = <-answers[i]:
				errs = append(errs, ports[i].err)
			default:
				errs = append(errs, fmt.Errorf("ask driver %s of %s: no answer in time", ports[i].Driver, ports[i].Name))
			}
		}
	}
	ids := map[string]bool{}
	var found []hardware.NIC
	for _, p := range ports {
		if n, ok := neighbours[p.index]; ok {
			p.Neighbour = &n
		}
		p.PXE = boot != "" && (boot == p.MAC || boot == p.Current)
		p.ID = p.id()
		for n := 2; ids[p.ID]; n++ { // some makers give one address to all ports
			p.ID = p.id() + " #" + strconv.Itoa(n)
		}
		ids[p.ID] = true
		found = append(found, p.NIC)
	}
	return found, reasons(errs)
}

// reasons joins errors. What takes permission is said once.
func reasons(errs []error) error {
	denied := false
	var rest []error
	for _, err := range errs {
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
			denied = true
			continue
		}
		rest = append(rest, err)
	}
	if denied {
		rest = append(rest, errors.New("wake-on-LAN and the switches' names (LLDP) are for root alone: run this as root"))
	}
	return errors.Join(rest...)
}

// id names an interface for good.
func (p port) id() string {
	switch {
	case p.MAC != "":
		return p.MAC
	case p.Port != 0:
		return p.Address + " port " + strconv.Itoa(p.Port)
	}
	return p.Address
}

// ports finds the interfaces, with what the kernel knows by itself.
func (c collector) ports() ([]*port, error) {
	names, err := c.host.List(netDir)
	if err != nil {
		return nil, fmt.Errorf("list network interfaces: %w", err)
	}
	var all []*port
	for _, name := range names {
		if p := c.port(name); p != nil {
			all = append(all, p)
		}
	}
	order.Sort(all, func(a, b *port) int {
		return cmp.Or(sysfs.Compare(a.path, b.path), a.Port-b.Port, sysfs.Compare(a.Name, b.Name))
	})
	return all, nil
}

// port is an interface, nil if it has no hardware of its own.
func (c collector) port(name string) *port {
	h, dir := c.host, netDir+name+"/"
	const ethernet, infiniband = 1, 32 // ARPHRD_*
	kind, _ := h.Int(dir + "type")
	if kind != ethernet && kind != infiniband || h.Has(dir+"phy80211") || h.Has(dir+"wireless") || h.Has(dir+"device/physfn") {
		return nil
	}
	at, ok := placeOf(h, dir+"device")
	if !ok {
		return nil
	}
	p := &port{place: at, dir: dir, infini: kind == infiniband}
	number := func(path string) int {
		n, _ := h.Int(path)
		return int(max(n, 0))
	}
	p.index = number(dir + "ifindex")
	p.NIC = hardware.NIC{
		Name: name, Driver: h.Base(dir + "device/driver"), Bus: p.bus, Address: p.address, Port: number(dir + "dev_port"),
		NUMA: p.numa(h), SRIOV: number(dir + "device/sriov_totalvfs"),
	}
	const up = 1 // IFF_UP
	carrier := h.Text(dir+"carrier") == "1"
	p.Readings = &hardware.NICReadings{Up: number(dir+"flags")&up != 0, Carrier: carrier, MTU: number(dir + "mtu")}
	p.addresses("", h.Text(dir+"address"), number(dir+"addr_assign_type"))
	return p
}

// addresses sorts out which one the card was made with. A random one (assigned
// is the kernel's NET_ADDR_*) is another at every boot.
func (p *port) addresses(permanent, current string, assigned int) {
	const random, set = 1, 3
	current = mac(parseMAC(current))
	if permanent == "" && assigned != random && assigned != set {
		permanent = current
	}
	p.MAC, p.Current, p.Readings.MAC = permanent, "", ""
	switch {
	case current == permanent:
	case assigned == random:
		p.Readings.MAC = current
	default:
		p.Current = current
	}
}
