package manage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"

	"github.com/orbit-pxe/orbit/pkg/hardware"
)

// Commands of IPMI 2.0 (appendix G): network function and number.
type ipmiCommand struct{ netFn, number byte }

var (
	getDeviceID      = ipmiCommand{6, 0x01} // section 20.1
	getDeviceGUID    = ipmiCommand{6, 0x08} // 20.8
	getSystemGUID    = ipmiCommand{6, 0x37} // 22.14
	getChannelInfo   = ipmiCommand{6, 0x42} // 22.24
	getLANParameters = ipmiCommand{12, 2}   // 23.2
)

// LAN configuration parameters (table 23-4).
const (
	lanAddress = 3
	lanSource  = 4
	lanMAC     = 5
	lanGateway = 12
	lanVLAN    = 20
)

// lastChannel is the last one a LAN can be on; medium802 is its kind (table 6-3).
const (
	lastChannel = 11
	medium802   = 4
)

// refused is a completion code other than that of success (table 5-2).
type refused byte

func (r refused) Error() string { return fmt.Sprintf("refused with completion code %#x", byte(r)) }

// ipmi has a controller execute a command, and returns its answer: from the
// completion code on.
type ipmi func(ctx context.Context, c ipmiCommand, data ...byte) ([]byte, error)

// ask executes a command that answers with at least n bytes after the completion
// code.
func (send ipmi) ask(ctx context.Context, n int, c ipmiCommand, data ...byte) ([]byte, error) {
	b, err := send(ctx, c, data...)
	switch {
	case err != nil:
		return nil, err
	case len(b) > 0 && b[0] != 0:
		return nil, refused(b[0])
	case len(b) < 1+n:
		return nil, io.ErrUnexpectedEOF
	}
	return b[1:], nil
}

// deviceID asks a controller what it is.
func (send ipmi) deviceID(ctx context.Context, d *hardware.BMC) error {
	b, err := send.ask(ctx, 11, getDeviceID)
	if err != nil {
		return fmt.Errorf("ask the BMC what it is: %w", err)
	}
	d.Device = int(b[0])
	d.Firmware = fmt.Sprintf("%d.%02x", b[2]&0x7f, b[3])
	d.IPMI = fmt.Sprintf("%d.%d", b[4]&15, b[4]>>4)
	if v := int(b[6]) | int(b[7])<<8 | int(b[8]&15)<<16; v != 0xfffff {
		d.Vendor = v
	}
	d.Product = int(b[9]) | int(b[10])<<8
	return nil
}

// lan finds the channel that is a LAN: the first that has an address, else the
// first. A board can have one for a port of its own and one for a port that it
// shares with the machine.
func (send ipmi) lan(ctx context.Context, d *hardware.BMC) error {
	without := byte(0)
	for channel := byte(1); channel <= lastChannel; channel++ {
		b, err := send.ask(ctx, 2, getChannelInfo, channel)
		if unanswered(err) {
			return fmt.Errorf("ask the BMC for its channels: %w", err)
		}
		if err != nil || b[1]&0x7f != medium802 {
			continue
		}
		d.Address, err = send.address(ctx, channel, lanAddress)
		if unanswered(err) {
			return fmt.Errorf("ask the BMC for its address: %w", err)
		}
		if d.Address != "" {
			return send.parameters(ctx, channel, d)
		}
		if without == 0 {
			without = channel
		}
	}
	if without == 0 {
		return nil
	}
	return send.parameters(ctx, without, d)
}

// parameters asks for those of a channel beside its address. One that the
// controller refuses to tell is not known; many don't know of VLANs.
func (send ipmi) parameters(ctx context.Context, channel byte, d *hardware.BMC) error {
	var errs [4]error
	d.MAC, errs[0] = send.mac(ctx, channel)
	d.Source, errs[1] = send.source(ctx, channel)
	d.Gateway, errs[2] = send.address(ctx, channel, lanGateway)
	d.VLAN, errs[3] = send.vlan(ctx, channel)
	for _, err := range errs {
		if unanswered(err) {
			return fmt.Errorf("ask the BMC for its network: %w", err)
		}
	}
	return nil
}

// unanswered tells whether a question was not answered at all. A controller that
// refuses one may answer the next.
func unanswered(err error) bool {
	var r refused
	return err != nil && !errors.As(err, &r) && !errors.Is(err, io.ErrUnexpectedEOF)
}

// parameter is one of a LAN channel, of at least n bytes: the answer without the
// revision of the parameters before it.
func (send ipmi) parameter(ctx context.Context, channel, number byte, n int) ([]byte, error) {
	b, err := send.ask(ctx, 1+n, getLANParameters, channel, number, 0, 0)
	if err != nil {
		return nil, err
	}
	return b[1:], nil
}

func (send ipmi) address(ctx context.Context, channel, number byte) (string, error) {
	b, err := send.parameter(ctx, channel, number, 4)
	if err != nil {
		return "", err
	}
	if a := netip.AddrFrom4([4]byte(b)); !a.IsUnspecified() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return a.String(), nil
	}
	return "", nil
}

func (send ipmi) source(ctx context.Context, channel byte) (string, error) {
	b, err := send.parameter(ctx, channel, lanSource, 1)
	if err != nil {
		return "", err
	}
	switch b[0] & 15 {
	case 1:
		return "static", nil
	case 2:
		return "dhcp", nil
	case 3:
		return "bios", nil
	case 4:
		return "other", nil
	}
	return "", nil
}

func (send ipmi) mac(ctx context.Context, channel byte) (string, error) {
	b, err := send.parameter(ctx, channel, lanMAC, 6)
	if err != nil {
		return "", err
	}
	if [6]byte(b) == [6]byte{} {
		return "", nil
	}
	return net.HardwareAddr(b[:6]).String(), nil
}

// vlan is the number of the one it is in, 0 for none.
func (send ipmi) vlan(ctx context.Context, channel byte) (int, error) {
	b, err := send.parameter(ctx, channel, lanVLAN, 2)
	if err != nil || b[1]&0x80 == 0 {
		return 0, err
	}
	return int(b[0]) | int(b[1]&15)<<8, nil
}
