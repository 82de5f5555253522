package network

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/network/nl80211"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
	"github.com/orbit-pxe/orbit/pkg/order"
)

// Wireless lists radios in the order of where they are attached: what cfg80211
// has, and what by its PCI class or USB ids is one that has no driver.
func Wireless(ctx context.Context, h sysfs.Host) ([]hardware.Radio, error) {
	c := survey{host: h}
	if h.Live() {
		c.tool, c.dump = live, nl80211.Dump
	}
	return c.radios(ctx)
}

// survey has seams where questions go out of sysfs.
type survey struct {
	host sysfs.Host
	tool ethtool
	dump func() ([]nl80211.Phy, error)
}

// radio is one on its way into the document.
type radio struct {
	hardware.Radio
	where place
}

func (s survey) radios(ctx context.Context) ([]hardware.Radio, error) {
	ctx, cancel := early(ctx)
	defer cancel()
	phys, err := s.driven("/sys/class/ieee80211/", wifi)
	errs := []error{err, s.abilities(ctx, phys)}
	hcis, err := s.driven("/sys/class/bluetooth/", bluetooth)
	cards, failed := s.cards()
	errs = append(errs, err, failed)
	sticks, err := s.sticks()
	errs = append(errs, err)
	all := slices.Concat(phys, hcis)
	for _, r := range append(cards, sticks...) {
		if !slices.ContainsFunc(all, func(p *radio) bool {
			return p.Class == r.Class && p.Bus == r.Bus && p.Address == r.Address && p.Name != ""
		}) {
			all = append(all, r)
		}
	}
	order.Sort(all, func(a, b *radio) int {
		return cmp.Or(sysfs.Compare(a.where.path, b.where.path), -strings.Compare(a.Class, b.Class), sysfs.Compare(a.Name, b.Name))
	})
	ids := map[string]bool{}
	var found []hardware.Radio
	for _, r := range all {
		r.ID = r.Address
		for n := 2; ids[r.ID]; n++ { // one card with several radios
			r.ID = r.Address + " #" + strconv.Itoa(n)
		}
		ids[r.ID] = true
		found = append(found, r.Radio)
	}
	return found, errors.Join(errs...)
}

// driven are the radios that have a driver, of a class in sysfs.
func (s survey) driven(dir, class string) ([]*radio, error) {
	names, err := s.host.List(dir)
	if err != nil {
		return nil, fmt.Errorf("list radios: %w", err)
	}
	var all []*radio
	for _, name := range names {
		p, ok := placeOf(s.host, dir+name+"/device")
		if !ok || strings.Contains(name, ":") { // hci0:1 is a connection
			continue
		}
		r := s.at(p, class)
		r.Name, r.MAC = name, mac(parseMAC(s.host.Text(dir+name+"/macaddress"))) // Bluetooth shows none
		r.Driver = s.host.Base(p.path + "/driver")
		all = append(all, r)
	}
	return all, nil
}

// abilities adds what the kernel tells of radios when it is asked. A driver may
// let that wait.
func (s survey) abilities(ctx context.Context, all []*radio) error {
	if s.dump == nil || len(all) == 0 {
		return nil
	}
	type answer struct {
		phys     []nl80211.Phy
		firmware []string // by the order of all
		err      error
	}
	done := make(chan answer, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- answer{firmware: make([]string, len(all)), err: fmt.Errorf("ask for what wireless devices can: internal error: %v", p)}
			}
		}()
		var a answer
		a.phys, a.err = s.dump()
		for _, r := range all {
			a.firmware = append(a.firmware, s.firmware(r))
		}
		done <- a
	}()
	select {
	case a := <-done:
		for i := range all {
			all[i].Firmware = a.firmware[i]
			for _, p := range a.phys {
				if p.Name == all[i].Name {
					all[i].Modes, all[i].Bands, all[i].Antennas, all[i].Domain = p.Modes, p.Bands, p.Antennas, p.Domain
				}
			}
		}
		return a.err
	case <-ctx.Done():
		return errors.New("ask for what wireless devices can: no answer in time")
	}
}

// firmware is what the driver says of an interface of the radio's.
func (s survey) firmware(r *radio) string {
	names, _ := s.host.List(r.where.path + "/net")
	for _, name := range names {
		if s.tool != nil && s.host.Base(r.where.path+"/net/"+name+"/phy80211") == r.Name {
			_, firmware := s.tool.driver(name)
			return firmware
		}
	}
	return ""
}

// at begins a radio at a place.
func (s survey) at(p place, class string) *radio {
	vendor, device := p.dir+"/vendor", p.dir+"/device"
	if p.bus == "usb" {
		vendor, device = p.dir+"/idVendor", p.dir+"/idProduct"
	}
	return &radio{hardware.Radio{
		Bus: p.bus, Address: p.address, Class: class, Vendor: s.digits(vendor), Device: s.digits(device),
	}, p}
}

// digits is a hexadecimal number of four digits, "" if it is none.
func (s survey) digits(path string) string {
	text := s.host.Hex(path)
	if len(text) != 4 || strings.Trim(text, "0123456789abcdef") != "" {
		return ""
	}
	return text
}
