package hardware

// System is the machine as its maker names it (SMBIOS types 1, 2 and 3).
// Placeholders such as "To be filled by O.E.M." count as absent.
type System struct {
	Vendor  string `json:"vendor,omitempty"`
	Product string `json:"product,omitempty"`
	Version string `json:"version,omitempty"`
	Serial  string `json:"serial,omitempty"`
	UUID    string `json:"uuid,omitempty"` // lower case, with hyphens
	SKU     string `json:"sku,omitempty"`
	Family  string `json:"family,omitempty"`

	Board   *Board   `json:"board,omitempty"`
	Chassis *Chassis `json:"chassis,omitempty"`

	Virtual string `json:"virtual,omitempty"` // the hypervisor, if there is one: kvm, qemu, vmware, hyperv, xen, virtualbox, parallels, bhyve, acrn; other: an unknown one
}

// Board is the main board.
type Board struct {
	Vendor   string `json:"vendor,omitempty"`
	Product  string `json:"product,omitempty"`
	Version  string `json:"version,omitempty"`
	Serial   string `json:"serial,omitempty"`
	Asset    string `json:"asset,omitempty"`
	Location string `json:"location,omitempty"` // in the chassis
}

// Chassis is what the board sits in.
type Chassis struct {
	Vendor  string `json:"vendor,omitempty"`
	Type    string `json:"type,omitempty"` // in the words of the SMBIOS specification, as "Rack Mount Chassis"
	Version string `json:"version,omitempty"`
	Serial  string `json:"serial,omitempty"`
	Asset   string `json:"asset,omitempty"`
	SKU     string `json:"sku,omitempty"`
}

// Firmware is what started this system.
type Firmware struct {
	Mode       string `json:"mode"` // "bios" or "uefi"
	Vendor     string `json:"vendor,omitempty"`
	Version    string `json:"version,omitempty"`
	Date       string `json:"date,omitempty"`        // YYYY-MM-DD where it can be read so, else as it stands
	Release    string `json:"release,omitempty"`     // SMBIOS major.minor
	SecureBoot *bool  `json:"secure_boot,omitempty"` // absent: not known, as with bios
	SetupMode  *bool  `json:"setup_mode,omitempty"`  // keys may be enrolled
	SMBIOS     string `json:"smbios,omitempty"`      // version of the tables
}

// TPM is a trusted platform module.
type TPM struct {
	Version  string `json:"version"`            // "1.2" or "2.0"
	Vendor   string `json:"vendor,omitempty"`   // four letters, as "IFX"
	Model    string `json:"model,omitempty"`    // vendor string
	Firmware string `json:"firmware,omitempty"` // version
	EKCert   string `json:"ek_cert,omitempty"`  // SHA-256 of the endorsement key's certificate, hex
}

// BMC is the management controller.
type BMC struct {
	Interface string `json:"interface,omitempty"` // "kcs", "ssif", ...
	Address   string `json:"address,omitempty"`   // IPv4 of its LAN channel
	Source    string `json:"source,omitempty"`    // of the address: static, dhcp, bios, other
	MAC       string `json:"mac,omitempty"`
	Gateway   string `json:"gateway,omitempty"`
	VLAN      int    `json:"vlan,omitempty"`
	Firmware  string `json:"firmware,omitempty"` // version
	IPMI      string `json:"ipmi,omitempty"`     // version
	Vendor    int    `json:"vendor,omitempty"`   // IANA enterprise number
	Product   int    `json:"product,omitempty"`
	Device    int    `json:"device,omitempty"` // IPMI device ID
	GUID      string `json:"guid,omitempty"`
}
