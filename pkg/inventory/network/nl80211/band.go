package nl80211

import (
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/orbit-pxe/orbit/pkg/hardware"
)

// band is one of a device's while its messages come in.
type band struct {
	hardware.Band
	kind     int
	channels []int // numbers in the kernel's list that are there already
}

// band finds one by its number (enum nl80211_band), or begins it.
func (b *building) band(kind int) *band {
	for _, x := range b.bands {
		if x.kind == kind {
			return x
		}
	}
	names := [...]string{"2.4 GHz", "5 GHz", "60 GHz", "6 GHz", "900 MHz", "light"}
	x := &band{kind: kind}
	if x.ID = "band " + strconv.Itoa(kind); kind < len(names) {
		x.ID = names[kind]
	}
	b.bands = append(b.bands, x)
	return x
}

func (x *band) attribute(kind int, v []byte) error {
	switch kind {
	case unix.NL80211_BAND_ATTR_HT_CAPA:
		x.HT = true
	case unix.NL80211_BAND_ATTR_VHT_CAPA:
		x.VHT = true
	case unix.NL80211_BAND_ATTR_IFTYPE_DATA: // for some kinds of interfaces each
		return each(v, func(_ int, v []byte) error {
			return each(v, func(kind int, _ []byte) error {
				x.HE = x.HE || kind == unix.NL80211_BAND_IFTYPE_ATTR_HE_CAP_PHY
				x.EHT = x.EHT || kind == unix.NL80211_BAND_IFTYPE_ATTR_EHT_CAP_PHY
				return nil
			})
		})
	case unix.NL80211_BAND_ATTR_FREQS:
		return each(v, func(kind int, v []byte) error {
			c, err := x.channel(v)
			if err == nil && c.MHz > 0 && !slices.Contains(x.channels, kind) {
				x.channels = append(x.channels, kind)
				x.Channels = append(x.Channels, c)
			}
			return err
		})
	}
	return nil
}

func (x *band) channel(v []byte) (c hardware.Channel, err error) {
	offset := 0 // kHz
	err = each(v, func(kind int, v []byte) error {
		switch kind {
		case unix.NL80211_FREQUENCY_ATTR_FREQ:
			c.MHz = number(v)
		case unix.NL80211_FREQUENCY_ATTR_OFFSET:
			offset = number(v)
		case unix.NL80211_FREQUENCY_ATTR_MAX_TX_POWER:
			c.Power = number(v)
		case unix.NL80211_FREQUENCY_ATTR_DISABLED:
			c.Disabled = true
		case unix.NL80211_FREQUENCY_ATTR_NO_IR:
			c.NoIR = true
		case unix.NL80211_FREQUENCY_ATTR_RADAR:
			c.Radar = true
		}
		return nil
	})
	c.ID = channelID(x.kind, c.MHz, offset)
	return c, err
}

// channelID is the number that IEEE 802.11 gives a frequency, else the frequency
// itself, of which it has more than one to a MHz below 1 GHz.
func channelID(band, mhz, khz int) string {
	n := 0
	switch {
	case band == unix.NL80211_BAND_2GHZ && mhz == 2484:
		n = 14
	case band == unix.NL80211_BAND_2GHZ && mhz > 2407 && mhz < 2484:
		n = (mhz - 2407) / 5
	case band == unix.NL80211_BAND_5GHZ && mhz >= 4910 && mhz <= 4980:
		n = (mhz - 4000) / 5
	case band == unix.NL80211_BAND_5GHZ && mhz > 5000 && mhz < 6000:
		n = (mhz - 5000) / 5
	case band == unix.NL80211_BAND_6GHZ && mhz == 5935:
		n = 2
	case band == unix.NL80211_BAND_6GHZ && mhz > 5950 && mhz <= 7125:
		n = (mhz - 5950) / 5
	case band == unix.NL80211_BAND_60GHZ && mhz > 56160 && mhz <= 56160+8*2160:
		n = (mhz - 56160) / 2160
	}
	switch {
	case n > 0:
		return strconv.Itoa(n)
	case khz > 0 && khz < 1000:
		return strconv.Itoa(mhz) + "." + strconv.Itoa(1000 + khz)[1:] + " MHz"
	}
	return strconv.Itoa(mhz) + " MHz"
}
