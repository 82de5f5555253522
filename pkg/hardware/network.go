package hardware

// NIC is one Ethernet or InfiniBand interface with hardware behind it.
type NIC struct {
	ID       string `json:"id"`                    // permanent MAC address, else where it is attached
	Name     string `json:"name"`                  // kernel's: eth0
	MAC      string `json:"mac,omitempty"`         // permanent, lower case, colons; of InfiniBand the port's GUID
	Current  string `json:"current_mac,omitempty"` // where it differs from the permanent one
	Driver   string `json:"driver,omitempty"`
	Firmware string `json:"firmware,omitempty"`
	Bus      string `json:"bus,omitempty"`     // pci, usb, virtio, ...
	Address  string `json:"address,omitempty"` // of its device: PCI "0000:01:00.0", USB "1-1.2"
	Port     int    `json:"port,omitempty"`    // of several on one PCI function, from 0
	PXE      bool   `json:"pxe,omitempty"`     // this boot came by it

	MaxSpeed int      `json:"max_speed,omitempty"` // Mbit/s, of the modes it supports
	Media    string   `json:"media,omitempty"`     // "tp", "fibre", "da", ...
	WOL      []string `json:"wol,omitempty"`       // kinds of wake-on-LAN it supports: phy, unicast, multicast, broadcast, arp, magic, magic-secure, filter
	NUMA     *int     `json:"numa,omitempty"`
	SRIOV    int      `json:"sriov,omitempty"` // most virtual functions

	Neighbour *Neighbour   `json:"neighbour,omitempty"` // absent: not heard of (yet)
	Readings  *NICReadings `json:"readings,omitempty"`
}

// Neighbour is the switch at the other end of the cable, by LLDP
// (IEEE 802.1AB), else by CDP.
type Neighbour struct {
	Chassis     string `json:"chassis,omitempty"`     // chassis ID
	Port        string `json:"port,omitempty"`        // port ID
	Switch      string `json:"switch,omitempty"`      // system name
	Description string `json:"description,omitempty"` // of the system
	PortName    string `json:"port_description,omitempty"`
	Address     string `json:"address,omitempty"` // for management
	VLAN        int    `json:"vlan,omitempty"`    // native
	VLANs       []int  `json:"vlans,omitempty"`
	MTU         int    `json:"mtu,omitempty"` // largest frame, bytes; by 802.3 with its header and checksum, which some leave out

	Readings *NeighbourReadings `json:"readings,omitempty"`
}

// NeighbourReadings tells how fresh a neighbour is.
type NeighbourReadings struct {
	Earlier bool `json:"earlier,omitempty"` // by the head: heard of at an earlier boot, not (yet) at this one
}

// NICReadings is the state of an interface.
type NICReadings struct {
	Up      bool     `json:"up"`
	Carrier bool     `json:"carrier"`         // a cable and someone at its other end; false too while the interface is down
	Speed   int      `json:"speed,omitempty"` // Mbit/s
	Duplex  string   `json:"duplex,omitempty"`
	MTU     int      `json:"mtu,omitempty"`
	MAC     string   `json:"mac,omitempty"`    // one that is random, because the card has none
	WOL     []string `json:"wol,omitempty"`    // kinds that are switched on
	Errors  int64    `json:"errors,omitempty"` // received and sent
	Dropped int64    `json:"dropped,omitempty"`
}

// Radio is a wireless device: a phy of nl80211, or one without a driver that its
// PCI or USB ids tell.
type Radio struct {
	ID       string    `json:"id"`             // where it is attached
	Name     string    `json:"name,omitempty"` // phy0
	MAC      string    `json:"mac,omitempty"`
	Driver   string    `json:"driver,omitempty"`
	Firmware string    `json:"firmware,omitempty"`
	Bus      string    `json:"bus,omitempty"`
	Address  string    `json:"address,omitempty"`
	Vendor   string    `json:"vendor,omitempty"` // four hexadecimal digits
	Device   string    `json:"device,omitempty"`
	Class    string    `json:"class,omitempty"` // "wifi", "bluetooth", "wwan"
	Modes    []string  `json:"modes,omitempty"` // station, AP, monitor, mesh, IBSS, ...
	Bands    []Band    `json:"bands,omitempty"`
	Antennas *Antennas `json:"antennas,omitempty"`
	Domain   string    `json:"regulatory_domain,omitempty"`

	VendorName string `json:"vendor_name,omitempty"` // by the head
	DeviceName string `json:"device_name,omitempty"`
}

// Band is a part of the spectrum a radio works in.
type Band struct {
	ID       string    `json:"id"`            // "2.4 GHz", "5 GHz", "6 GHz", "60 GHz"
	HT       bool      `json:"ht,omitempty"`  // 802.11n
	VHT      bool      `json:"vht,omitempty"` // 802.11ac
	HE       bool      `json:"he,omitempty"`  // 802.11ax
	EHT      bool      `json:"eht,omitempty"` // 802.11be
	Channels []Channel `json:"channels,omitempty"`
}

// Channel is one frequency.
type Channel struct {
	ID       string `json:"id"`              // number
	MHz      int    `json:"mhz"`             // centre
	Power    int    `json:"power,omitempty"` // most, 1/100 dBm
	Disabled bool   `json:"disabled,omitempty"`
	NoIR     bool   `json:"no_ir,omitempty"` // only after hearing someone
	Radar    bool   `json:"radar,omitempty"`
}

// Antennas are bit masks.
type Antennas struct {
	TX int `json:"tx"`
	RX int `json:"rx"`
}
