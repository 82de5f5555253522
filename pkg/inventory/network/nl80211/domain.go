package nl80211

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Domains are the regulatory domains by which Linux goes: two letters of a
// country, or "00" for what is allowed everywhere.
type Domains struct {
	Global string
	Own    map[int]string // by index, of devices that have their own rules
}

// Of is the domain of a device.
func (d Domains) Of(index int) string {
	if own, ok := d.Own[index]; ok {
		return own
	}
	return d.Global
}

// ParseDomains reads the answers to GET_REG.
func ParseDomains(messages [][]byte) (Domains, error) {
	d := Domains{Own: map[int]string{}}
	var errs []error
	for _, m := range messages {
		index, name := -1, ""
		errs = append(errs, message(m, func(kind int, v []byte) error {
			switch kind {
			case unix.NL80211_ATTR_WIPHY:
				index = number(v)
			case unix.NL80211_ATTR_REG_ALPHA2:
				name = letters(v)
			}
			return nil
		}))
		switch {
		case name == "":
		case index >= 0:
			d.Own[index] = name
		case d.Global == "":
			d.Global = name
		}
	}
	return d, errors.Join(errs...)
}

// letters are the two of a domain, which a zero follows.
func letters(v []byte) string {
	if len(v) < 2 {
		return ""
	}
	for _, c := range v[:2] {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') {
			return ""
		}
	}
	return string(v[:2])
}
