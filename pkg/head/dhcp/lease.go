package dhcp

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/orbit-pxe/orbit/pkg/head/internal/durable"
)

// Lease binds an address to a MAC address. It outlives its expiry: a node
// keeps its address until the range has no other left.
type Lease struct {
	MAC     string     `json:"mac"`
	Address netip.Addr `json:"address"`
	Name    string     `json:"name,omitempty"` // as the node calls itself
	Expires time.Time  `json:"expires"`
	offered bool       // not confirmed by the client yet: kept in memory only
	saved   time.Time  // expiry as the file has it
}

// Reservation gives a MAC address its address and name for good.
type Reservation struct {
	MAC     string
	Address netip.Addr
	Name    string
}

// Leases is the table of bindings. It is used from one goroutine.
type Leases struct {
	path     string
	taken    []netip.Addr // never given out: the head itself
	reserved []Reservation
	byMAC    map[string]*Lease
	byAddr   map[netip.Addr]*Lease
	declined map[netip.Addr]time.Time // until when an address is left alone
}

const (
	offerLife   = time.Minute      // an offer that nobody took
	declineLife = 10 * time.Minute // an address that a client found in use
)

// OpenLeases reads the table kept at path, which need not exist.
func OpenLeases(path string, reserved []Reservation, taken ...netip.Addr) (*Leases, error) {
	l := &Leases{path: path, taken: taken, reserved: reserved, byMAC: map[string]*Lease{},
		byAddr: map[netip.Addr]*Lease{}, declined: map[netip.Addr]time.Time{}}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	var list []*Lease
	if err == nil {
		err = json.Unmarshal(data, &list)
	}
	if err != nil {
		return nil, fmt.Errorf("read leases: %w (move the file away to start afresh)", err)
	}
	for _, e := range list {
		if e != nil && e.Address.Is4() && l.byAddr[e.Address] == nil && l.byMAC[e.MAC] == nil {
			e.saved = e.Expires
			l.put(e)
		}
	}
	return l, nil
}

// Offer finds the address for a client: the reserved one, the one it had, the
// one it asks for, an untouched one, or the one longest expired.
func (l *Leases) Offer(mac string, wish netip.Addr, n Network, now time.Time) (netip.Addr, error) {
	addr, err := l.choose(mac, wish, n, now)
	if err != nil {
		return addr, err
	}
	if e := l.byMAC[mac]; e != nil && e.Address == addr && e.Expires.After(now) {
		return addr, nil
	}
	l.bind(&Lease{MAC: mac, Address: addr, Expires: now.Add(offerLife), offered: true})
	return addr, nil
}

func (l *Leases) choose(mac string, wish netip.Addr, n Network, now time.Time) (netip.Addr, error) {
	if r, ok := l.reservation(mac); ok && n.Prefix.Contains(r.Address) {
		return r.Address, nil
	}
	if e := l.byMAC[mac]; e != nil && l.May(mac, e.Address, n, now) {
		return e.Address, nil
	}
	if l.byAddr[wish] == nil && l.May(mac, wish, n, now) {
		return wish, nil
	}
	var oldest *Lease
	for a := n.First; n.Has(a); a = a.Next() {
		if !l.May(mac, a, n, now) {
			continue
		}
		e := l.byAddr[a]
		if e == nil {
			return a, nil
		}
		if oldest == nil || e.Expires.Before(oldest.Expires) {
			oldest = e
		}
	}
	if oldest == nil {
		return netip.Addr{}, fmt.Errorf("all addresses %s-%s are in use: give a larger --range or a shorter --lease", n.First, n.Last)
	}
	return oldest.Address, nil
}

// May tells whether a client may have an address now.
func (l *Leases) May(mac string, a netip.Addr, n Network, now time.Time) bool {
	if r, ok := l.reservation(mac); ok && n.Prefix.Contains(r.Address) {
		return a == r.Address
	}
	if !n.Has(a) || slices.Contains(l.taken, a) || l.declined[a].After(now) {
		return false
	}
	if slices.ContainsFunc(l.reserved, func(r Reservation) bool { return r.Address == a }) {
		return false
	}
	e := l.byAddr[a]
	return e == nil || e.MAC == mac || !e.Expires.After(now)
}

// Bind confirms an address until a time and keeps it on disk.
func (l *Leases) Bind(mac string, a netip.Addr, name string, now time.Time, life time.Duration) error {
	e := &Lease{MAC: mac, Address: a, Name: name, Expires: now.Add(life)}
	if old := l.byMAC[mac]; old != nil && !old.offered && old.Address == a && old.Name == name {
		e.saved = old.saved
	}
	l.bind(e)
	// Firmware, iPXE and agent renew within a minute: that is not worth three writes.
	if e.saved.After(e.Expires.Add(-life / 10)) {
		return nil
	}
	return l.save()
}

// Release ends a lease at the client's wish.
func (l *Leases) Release(mac string, a netip.Addr, now time.Time) error {
	e := l.byMAC[mac]
	if e == nil || e.Address != a {
		return nil
	}
	e.Expires = now
	return l.save()
}

// Decline leaves an address alone for a while, as its client found another
// machine on it.
func (l *Leases) Decline(mac string, a netip.Addr, now time.Time) error {
	if e := l.byMAC[mac]; e == nil || e.Address != a {
		return nil
	}
	delete(l.byMAC, mac)
	delete(l.byAddr, a)
	l.declined[a] = now.Add(declineLife)
	return l.save()
}

// Name is what a node is called: by its reservation, else as it says itself.
func (l *Leases) Name(mac string) string {
	if r, ok := l.reservation(mac); ok && r.Name != "" {
		return r.Name
	}
	if e := l.byMAC[mac]; e != nil {
		return e.Name
	}
	return ""
}

func (l *Leases) reservation(mac string) (Reservation, bool) {
	for _, r := range l.reserved {
		if strings.EqualFold(r.MAC, mac) {
			return r, true
		}
	}
	return Reservation{}, false
}

func (l *Leases) bind(e *Lease) {
	if old := l.byMAC[e.MAC]; old != nil {
		delete(l.byAddr, old.Address)
	}
	if old := l.byAddr[e.Address]; old != nil {
		delete(l.byMAC, old.MAC)
	}
	l.put(e)
}

func (l *Leases) put(e *Lease) {
	l.byMAC[e.MAC] = e
	l.byAddr[e.Address] = e
}

func (l *Leases) save() error {
	list := []*Lease{}
	for _, a := range slices.SortedFunc(maps.Keys(l.byAddr), netip.Addr.Compare) {
		if e := l.byAddr[a]; !e.offered {
			list = append(list, e)
		}
	}
	data, err := json.MarshalIndent(list, "", " ")
	if err != nil {
		return err
	}
	if err := durable.WriteFile(l.path, append(data, '\n'), 0o644); err != nil {
		return err
	}
	for _, e := range list {
		e.saved = e.Expires
	}
	return nil
}
