package nl80211

import (
	"errors"
	"math/bits"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/orbit-pxe/orbit/pkg/hardware"
)

// Phy is what one wireless device can.
type Phy struct {
	Index    int
	Name     string // phy0
	Modes    []string
	Bands    []hardware.Band
	Antennas *hardware.Antennas
	Domain   string // regulatory; "00" = what is allowed everywhere
}

// Parse puts together the devices of a dump's messages, by the order in which
// the kernel tells of them. A message that is cut off is an error, and what the
// others tell still counts.
func Parse(messages [][]byte) ([]Phy, error) {
	var all []*building
	var errs []error
	for _, m := range messages {
		index := -1
		err := message(m, func(kind int, v []byte) error {
			if kind == unix.NL80211_ATTR_WIPHY {
				index = number(v)
			}
			return nil
		})
		if index < 0 {
			errs = append(errs, err)
			continue
		}
		errs = append(errs, message(m, find(&all, index).attribute))
	}
	var phys []Phy
	for _, b := range all {
		phys = append(phys, b.phy())
	}
	return phys, errors.Join(errs...)
}

// building is a Phy while its messages come in.
type building struct {
	Phy
	bands []*band
}

func find(all *[]*building, index int) *building {
	for _, b := range *all {
		if b.Index == index {
			return b
		}
	}
	b := &building{Phy: Phy{Index: index}}
	*all = append(*all, b)
	return b
}

func (b *building) phy() Phy {
	for _, x := range b.bands {
		b.Bands = append(b.Bands, x.Band)
	}
	return b.Phy
}

func (b *building) attribute(kind int, v []byte) error {
	switch kind {
	case unix.NL80211_ATTR_WIPHY_NAME:
		b.Name = strings.TrimRight(string(v), "\x00")
	case unix.NL80211_ATTR_SUPPORTED_IFTYPES:
		var modes uint32
		err := each(v, func(mode int, _ []byte) error {
			modes |= 1 << min(mode, 31)
			return nil
		})
		b.Modes = names(modes)
		return err
	case unix.NL80211_ATTR_WIPHY_ANTENNA_AVAIL_TX:
		b.antennas(number(v), 0)
	case unix.NL80211_ATTR_WIPHY_ANTENNA_AVAIL_RX:
		b.antennas(0, number(v))
	case unix.NL80211_ATTR_WIPHY_BANDS:
		return each(v, func(kind int, v []byte) error { return each(v, b.band(kind).attribute) })
	}
	return nil
}

// antennas adds masks; drivers that have no idea say 0.
func (b *building) antennas(tx, rx int) {
	if tx|rx == 0 {
		return
	}
	if b.Antennas == nil {
		b.Antennas = &hardware.Antennas{}
	}
	b.Antennas.TX |= tx
	b.Antennas.RX |= rx
}

// names are those of kinds of interfaces (enum nl80211_iftype) that a device can
// be.
func names(modes uint32) (list []string) {
	all := [...]string{1: "IBSS", "station", "AP", "AP/VLAN", "WDS", "monitor", "mesh", "P2P client", "P2P owner", "P2P device", "OCB", "NAN"}
	for modes &^= 1; modes != 0; modes &= modes - 1 {
		if n := bits.TrailingZeros32(modes); n < len(all) {
			list = append(list, all[n])
		}
	}
	return list
}
