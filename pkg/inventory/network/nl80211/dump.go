package nl80211

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Dump asks the kernel of all wireless devices. One that has no cfg80211 has
// none.
func Dump() ([]Phy, error) {
	family, err := resolve()
	if family == 0 || err != nil {
		return nil, err
	}
	messages, err := ask(family, unix.NL80211_CMD_GET_WIPHY, nl.NewRtAttr(unix.NL80211_ATTR_SPLIT_WIPHY_DUMP, nil))
	if err != nil {
		return nil, fmt.Errorf("ask for wireless devices: %w", err)
	}
	phys, err := Parse(messages)
	messages, failed := ask(family, unix.NL80211_CMD_GET_REG)
	if failed != nil {
		return phys, errors.Join(err, fmt.Errorf("ask for regulatory domain: %w", failed))
	}
	domains, failed := ParseDomains(messages)
	for i := range phys {
		phys[i].Domain = domains.Of(phys[i].Index)
	}
	return phys, errors.Join(err, failed)
}

// resolve is the number of family nl80211, 0 if there is none.
func resolve() (uint16, error) {
	r := nl.NewNetlinkRequest(nl.GENL_ID_CTRL, 0)
	r.AddData(&nl.Genlmsg{Command: nl.GENL_CTRL_CMD_GETFAMILY, Version: nl.GENL_CTRL_VERSION})
	r.AddData(nl.NewRtAttr(nl.GENL_CTRL_ATTR_FAMILY_NAME, nl.ZeroTerminated("nl80211")))
	messages, err := r.Execute(unix.NETLINK_GENERIC, 0)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EPROTONOSUPPORT) {
		return 0, nil
	}
	if err != nil || len(messages) == 0 {
		return 0, fmt.Errorf("find nl80211: %w", err)
	}
	var family uint16
	err = message(messages[0], func(kind int, v []byte) error {
		if kind == nl.GENL_CTRL_ATTR_FAMILY_ID && len(v) >= 2 {
			family = binary.NativeEndian.Uint16(v)
		}
		return nil
	})
	return family, err
}

// ask dumps what a command gives.
func ask(family uint16, command uint8, with ...*nl.RtAttr) ([][]byte, error) {
	r := nl.NewNetlinkRequest(int(family), unix.NLM_F_DUMP)
	r.AddData(&nl.Genlmsg{Command: command})
	for _, a := range with {
		r.AddData(a)
	}
	return r.Execute(unix.NETLINK_GENERIC, 0)
}
