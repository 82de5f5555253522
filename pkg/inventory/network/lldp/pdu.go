package lldp

// PDU is what one system says of itself on one port.
type PDU struct {
	Chassis ChassisID
	Port    PortID
	TTL     int // seconds for which it holds; 0 = the sender leaves

	PortDescription string
	System          string // name
	Description     string // of the system
	Capable         Capabilities
	Enabled         Capabilities
	Addresses       []Address // for management

	VLAN     int    // of untagged frames; 0 = not told
	VLANs    []VLAN // that the port has
	MaxFrame int    // bytes; most count the header and the checksum in. 0 = not told

	CDP bool // it came by CDP
}

// VLAN is a virtual network.
type VLAN struct {
	ID   int
	Name string
}

// Capabilities say what a system is for (802.1AB, table 8-4).
type Capabilities uint16

// Some capabilities.
const (
	Bridge  Capabilities = 1 << 2
	Router  Capabilities = 1 << 4
	Station Capabilities = 1 << 7
)

// Forwards tells whether the system is a part of the network, and not one more
// station on it whose words a switch without LLDP has passed on. One that
// doesn't say counts as one.
func (p PDU) Forwards() bool { return p.Enabled == 0 || p.Enabled&(Bridge|Router) != 0 }

// better tells whether to believe p rather than q when one port hears both: the
// network rather than a station, LLDP rather than CDP, and then always the same.
func (p PDU) better(q PDU) bool {
	if x, y := p.Forwards(), q.Forwards(); x != y {
		return x
	}
	if p.CDP != q.CDP {
		return q.CDP
	}
	if p.Chassis.Value != q.Chassis.Value {
		return p.Chassis.Value < q.Chassis.Value
	}
	return p.Port.Value <= q.Port.Value
}
