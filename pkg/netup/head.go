package netup

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"
)

// optionHead is a DHCP option of this project: the base URL of the head, as
// text. 224 is the first of the codes that sites may use as they like (RFC
// 3942).
const optionHead = dhcpv4.GenericOptionCode(224)

// headOf is the head that a message names, "" if it names none that is a URL.
func headOf(m *dhcpv4.DHCPv4) string {
	text := string(m.Options.Get(optionHead))
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return ""
	}
	return text
}

// FindHead asks the network for the head, for a node whose command line names
// none and whose lease came from a server that knows of none: a DHCPINFORM to
// all (RFC 2131, 4.4.3), which a head answers even where it gives out no
// addresses. It asks three times, three seconds each; "" is no answer.
func (n *Network) FindHead(ctx context.Context, class string) (string, error) {
	if n.Head != "" || !n.Addr.Addr().Is4() {
		return n.Head, nil
	}
	mac, err := net.ParseMAC(n.MAC)
	if err != nil {
		return "", err
	}
	client, err := nclient4.New(n.Interface, nclient4.WithHWAddr(mac), nclient4.WithTimeout(time.Hour), nclient4.WithRetry(1))
	if err != nil {
		return "", fmt.Errorf("open DHCP socket on %s: %w", n.Interface, err)
	}
	defer client.Close()
	question, err := dhcpv4.NewInform(mac, n.Addr.Addr().AsSlice(), say(mac, class)...)
	if err != nil {
		return "", err
	}
	for range 3 {
		answer, err := ask(ctx, client, question, 3*time.Second, func(m *dhcpv4.DHCPv4) bool {
			return m.MessageType() == dhcpv4.MessageTypeAck && headOf(m) != ""
		})
		if err == nil {
			n.Head = headOf(answer)
			return n.Head, nil
		}
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
	}
	return "", nil
}
